/* SPDX-License-Identifier: MIT */
/* The table of routes, which alone knows the paths of a program. */
#ifndef APM_HTTP_ROUTE_H
#define APM_HTTP_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct request;
struct reply;

/* Answers a request through reply_*, which set the status. On one of the server's threads. */
typedef void route_handler(struct request *req, struct reply *reply);

enum route_flags {
	ROUTE_INTERNAL = 1, /* only on the service's own port; through the gateway it does not exist */
	ROUTE_QUIET = 2     /* no span, no histogram, no log line; for health and metrics */
};

/* A table ends with an entry of zeros. A GET route answers HEAD too. */
struct route {
	const char *method;
	/* template, a segment in braces matches any one segment: "/api/v1/users/{id}"; {name*}, one or more of them */
	const char *path;
	route_handler *handler;
	unsigned flags;
};

#define ROUTE_SEGMENTS_MAX 4

struct route_match {
	const struct route *route; /* NULL: not found */
	const char *path_template; /* the template, also when only the method was wrong; NULL: no such path */
	const char *segment[ROUTE_SEGMENTS_MAX]; /* what the braces matched, in order; points into the path, not
						    terminated */
	size_t segment_len[ROUTE_SEGMENTS_MAX];
	size_t segments;
};

/*
 * Finds the route of `method` and `path`, which may be any bytes. `internal` is true if the request did not come
 * through the gateway. If only the path matches, `route` is NULL and `path_template` set: that is a 405. Pure.
 */
void route_find(const struct route *table, const char *method, const char *path, bool internal,
		struct route_match *out);

/* Appends the Allow value of a template: "GET, HEAD, POST". */
void route_allow(const struct route *table, const char *path_template, bool internal, struct buf *out);

#endif
