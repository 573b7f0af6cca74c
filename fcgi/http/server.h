/* SPDX-License-Identifier: MIT */
/*
 * The FastCGI loop: threads that read requests, find their routes and answer. It also makes the telemetry of each
 * request (request_telemetry.h), so that handlers need not. One server in a process.
 */
#ifndef APM_HTTP_SERVER_H
#define APM_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>

#include "http/reply.h"
#include "http/request.h"
#include "http/route.h"

struct server {
	const struct route *const *tables; /* looked through in order; ends with NULL */
	size_t body_max;                   /* bytes of a request's body; 0: REQUEST_BODY_MAX */
	/* Asked before the handler of a route that is not quiet, or NULL. Returns false if it has answered itself. */
	bool (*admit)(const struct request *req, struct reply *reply);
	/* Frees what a thread has kept (request.kept) before it ends, or NULL. */
	void (*thread_end)(void *kept);
};

/*
 * Prepares `listen_fd`, a listening stream socket, for `threads` threads; reads the settings of http/. After this calls
 * can be made (call.h). Once, in main, after tel_init and env_check. Returns 0 or -errno.
 */
int server_init(int listen_fd, unsigned threads);

/* Starts the threads. What `server` points to must stay. Returns 0 or -errno. */
int server_start(const struct server *server);

/*
 * Answers what was sent (see listener_drain), for `budget_ms` at most, and ends the threads. Returns false if some are
 * still at work then.
 */
bool server_stop(unsigned budget_ms);

/* Closes the connections to other services, after the last call, also those of threads of the program's own. */
void server_done(void);

#endif
