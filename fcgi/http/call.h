/* SPDX-License-Identifier: MIT */
/*
 * Calls to other services: HTTP through libcurl, with kept connections, a CLIENT span, the duration histogram, and the
 * trace context passed on.
 */
#ifndef APM_HTTP_CALL_H
#define APM_HTTP_CALL_H

#include <stddef.h>

struct request;

/*
 * Both return the HTTP status of the answer, or 0 if there was none (refused, timed out, not HTTP), or if the call was
 * not made: the neighbour keeps failing or holds its share of the threads (neighbour.h), or `req` has no time left.
 * They block for $CALL_TIMEOUT_MS (default 2000) at most, never past the deadline of `req`, and tell the callee how
 * long that is. `service` is one of the program's neighbours. The answer's body is read (64 KiB at most) and dropped.
 *
 * `req` is the request that the calling thread answers. NULL: it answers none, so that there is no deadline and no
 * share of threads to keep to. Any thread.
 */
int call_get(const struct request *req, const char *service, const char *path_format, ...)
	__attribute__((format(printf, 3, 4)));

/* `len` bytes of `json` are sent as application/json. */
int call_post(const struct request *req, const char *service, const char *path, const char *json, size_t len);

/* Reads CALL_TIMEOUT_MS, which call_timeout_ms returns. Once in main, before threads and after tel_init. */
void call_init(void);
unsigned call_timeout_ms(void);

/* Closes the kept connections, after the last call. */
void call_done(void);

#endif
