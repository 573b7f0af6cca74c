/* SPDX-License-Identifier: MIT */
/*
 * Calls to other services: HTTP through libcurl, with kept connections (one handle per thread), a CLIENT span, the
 * duration histogram and the trace context passed on.
 */
#ifndef APM_HTTP_CALL_H
#define APM_HTTP_CALL_H

#include <stddef.h>

struct deadline;

/*
 * Both return the HTTP status of the answer, or 0 when there was none (refused, timed out, not HTTP), or when the call
 * was not made: the neighbour keeps failing or holds its share of the threads (neighbour.h), or the request that this
 * thread serves has no time left. They block for $CALL_TIMEOUT_MS (default 2000) at most, never past the request's
 * deadline, and tell the callee how long that is. `service`, a literal, names the peer: "users" is found at $USERS_URL,
 * default http://127.0.0.1:$USERS_PORT. The answer's body is read (64 KiB at most) and dropped.
 */
int call_get(const char *service, const char *path_format, ...) __attribute__((format(printf, 2, 3)));

/* `json` is sent as application/json; it is not kept. */
int call_post(const char *service, const char *path, const char *json, size_t bytes);

/* Once in main, before threads and after tel_init. Reads CALL_TIMEOUT_MS; call_timeout_ms() tells it. */
void call_init(void);
unsigned call_timeout_ms(void);

/*
 * The deadline of the request that this thread serves from now on, or NULL: none, and then no lane counts either. The
 * request loop sets it; it must stay until the next call of this.
 */
void call_deadline(const struct deadline *deadline);

/* Closes this thread's connections. Before the thread ends. */
void call_thread_done(void);

#endif
