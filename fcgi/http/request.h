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

/* Lives for one request on one thread. The server owns all it points to, which is valid until the handler returns. */
struct request {
	const char *method;
	const char *path;         /* decoded and normalised by nginx */
	const char *query;        /* as it was sent; "" if there is none */
	const char *content_type; /* "" if there is none */
	const char *body;         /* server.body_max bytes at most, NUL-terminated */
	size_t body_len;
	bool body_too_large; /* it was longer, and `body` is empty */
	bool through_gateway;
	const char *const *params; /* FastCGI parameters, "NAME=value" */
	struct json_object *json;  /* the body as form_body has parsed it; NULL before */
	struct route_match match;
	void **kept; /* the program may keep something here for the thread, from request to request; NULL at first */
	struct deadline deadline;
};

/* Frees what the request owns. */
void request_done(struct request *req);

/* Returns a FastCGI parameter such as "HTTP_IDEMPOTENCY_KEY", the first one if it came twice; NULL if it was not sent.
 */
const char *request_param(const struct request *req, const char *name);

/* Reads the {id} of the route. Returns false if it is no number within 1..REQUEST_ID_MAX: nothing has that id (404). */
bool request_id(const struct request *req, int64_t *id);

/*
 * Writes a parameter of the query string, percent-decoded, into `out` (`size` bytes, NUL-terminated). Returns 1 if it
 * is there, 0 if not, -1 if it has a bad escape or a NUL, or is too long.
 */
int request_query(const struct request *req, const char *name, char *out, size_t size);

/* The pure part of request_query, for tests and fuzzing. */
int query_find(const char *query, const char *name, char *out, size_t size);

#endif
