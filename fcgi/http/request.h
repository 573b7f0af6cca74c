/* SPDX-License-Identifier: MIT */
/* A request as handlers see it. */
#ifndef APM_HTTP_REQUEST_H
#define APM_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/deadline.h"
#include "http/route.h"

struct json_object;

#define REQUEST_BODY_MAX 65536          /* bytes, see server.body_max; nginx refuses more before */
#define REQUEST_ID_MAX 9007199254740991 /* 2^53 - 1: exact in every JSON reader */

/* Lives for one request on one thread; every pointer is owned by the loop and valid until the handler returns. */
struct request {
	const char *method;
	const char *path;         /* decoded and normalised by nginx */
	const char *query;        /* raw, "" when there is none */
	const char *content_type; /* "" when there is none */
	const char *body;         /* server.body_max bytes at most, NUL-terminated */
	size_t body_len;
	bool body_too_large; /* the body was longer and is not here */
	bool through_gateway;
	const char *const *params; /* FastCGI parameters, "NAME=value" */
	struct json_object *json;  /* the body as form_body has parsed it; NULL before */
	struct route_match match;
	void **kept; /* the program may keep something here for the thread, from request to request; NULL at first */
	struct deadline deadline;
};

/* Frees what the request owns. */
void request_done(struct request *req);

/* A FastCGI parameter such as "HTTP_IDEMPOTENCY_KEY"; NULL when it was not sent. The first one if it came twice. */
const char *request_param(const struct request *req, const char *name);

/* The {id} of the route. False: not a number within 1..REQUEST_ID_MAX, so nothing has that id (404). */
bool request_id(const struct request *req, int64_t *id);

/*
 * A parameter of the query string, percent-decoded into `out` (`size` bytes, NUL-terminated). 1: there; 0: absent;
 * -1: bad escape, too long, or has a NUL.
 */
int request_query(const struct request *req, const char *name, char *out, size_t size);

/* Pure part of request_query, for tests and fuzzing. */
int query_find(const char *query, const char *name, char *out, size_t size);

#endif
