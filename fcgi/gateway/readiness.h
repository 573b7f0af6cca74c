/* SPDX-License-Identifier: MIT */
/* Tells whether the services behind the gateway are ready. */
#ifndef APM_GATEWAY_READINESS_H
#define APM_GATEWAY_READINESS_H

/*
 * Takes the services to ask, which it copies: NAME=URL for each one, with the URL of its /readyz, separated by spaces.
 * A URL without a name is that of "a service". Call it before threads start. Aborts when memory is short.
 */
void readiness_start(const char *urls);
void readiness_stop(void);

/*
 * Returns the name of a service that does not answer 200, NULL when all do. It asks all at once, for 1.5 s at most;
 * callers that come in the meantime share the next round. Any thread may call; the name is valid until readiness_stop.
 */
const char *readiness_missing(void);

#endif
