/* SPDX-License-Identifier: MIT */
/* Whether the services behind the gateway are ready. */
#ifndef APM_GATEWAY_READINESS_H
#define APM_GATEWAY_READINESS_H

/*
 * `urls`: of each service NAME=URL, where the URL is that of its /readyz, separated by spaces; copied. A URL without a
 * name is that of "a service". Call before threads start.
 */
void readiness_start(const char *urls);
void readiness_stop(void);

/*
 * The name of a service that does not answer 200, NULL when all do. Asks all at once, for 1.5 s at most; callers that
 * come meanwhile share the next round. Any thread; valid until readiness_stop.
 */
const char *readiness_missing(void);

#endif
