/* SPDX-License-Identifier: MIT */
/*
 * A connection of the web server as libfcgi reads and writes it, one request after the other. The only place that knows
 * libfcgi. Accepting, waiting and closing are listener.h's: what is called here blocks on nothing but the connection.
 */
#ifndef APM_HTTP_FCGI_CONNECTION_H
#define APM_HTTP_FCGI_CONNECTION_H

#include <fcgiapp.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* A thread has one and uses it for each connection that it serves. */
struct fcgi_connection {
	FCGX_Request request;
	bool keep; /* the web server wants to send further requests on it */
};

/* Once, before threads start. Returns false if libfcgi cannot be used. It installs handlers of signals. */
bool fcgi_init(void);

void fcgi_connection_init(struct fcgi_connection *c);

/* Reads the parameters of the request on `fd`. Returns false if none came; then the connection is closed. */
bool fcgi_start(struct fcgi_connection *c, int fd);

/* Returns the parameters, "NAME=value" with a NULL at the end; valid until fcgi_end. */
const char *const *fcgi_params(const struct fcgi_connection *c);

/*
 * Reads the body to its end, also what `out` has no room for: what stayed in the connection would be taken for the next
 * request. Returns false if the web server broke off.
 */
bool fcgi_read(struct fcgi_connection *c, struct buf *out);

/* Writes to the answer, which fcgi_end sends; a failure shows there. */
void fcgi_write(struct fcgi_connection *c, const char *data, size_t len);

/* Sends the rest of the answer and ends the request. Returns false if the connection broke and is closed. */
bool fcgi_end(struct fcgi_connection *c);

#endif
