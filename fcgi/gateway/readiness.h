/* SPDX-License-Identifier: MIT */
/* Whether the services behind the gateway are ready. */
#ifndef APM_GATEWAY_READINESS_H
#define APM_GATEWAY_READINESS_H

/*
 * `urls`: those of the services' /readyz, separated by spaces; copied. A service is named by its port when that is the
 * value of an environment variable NAME_PORT ("users service"), else by its host. Before threads.
 */
void readiness_start(const char *urls);
void readiness_stop(void);

/*
 * The name of a service that does not answer 200, NULL when all do. Asks all at once, for 1.5 s at most; callers that
 * come meanwhile share the next round. Any thread; valid until readiness_stop.
 */
const char *readiness_missing(void);

#endif
