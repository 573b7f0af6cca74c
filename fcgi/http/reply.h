/* SPDX-License-Identifier: MIT */
/* An answer as handlers make it. Every function that ends an answer returns the status, for `return reply_…(…)`. */
#ifndef APM_HTTP_REPLY_H
#define APM_HTTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/json_write.h"

#define REPLY_BODY_MAX (4 << 20) /* bytes; /metrics with every series in use is the largest */

/* Owned by the loop, reused from request to request. */
struct reply {
	int status;
	const char *content_type; /* literal */
	struct buf headers;       /* "Name: value\r\n" lines beyond Status and Content-Type */
	struct buf body;
	struct json_writer json;
	char reason[256];  /* why it is an error, for the log; "" when it is none */
	char trace_id[33]; /* set by the loop before the handler runs: what problems name */
};

void reply_init(struct reply *reply);
void reply_done(struct reply *reply);

/* Gives back memory that only a large answer needed; what was answered is gone. */
void reply_sent(struct reply *reply);

/* The same, and makes it ready for the next request. */
void reply_reset(struct reply *reply);

/* Lets this answer have a larger body than REPLY_BODY_MAX. Before anything is written to it. */
void reply_body_max(struct reply *reply, size_t bytes);

/* Adds a header. `name` is a literal; a value with a control character is dropped, never sent. */
void reply_header(struct reply *reply, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The writer of the JSON body: write one value, then reply_json(). */
struct json_writer *reply_writer(struct reply *reply);

/* application/json with what was written to reply_writer(); 500 when that was more than fits. */
void reply_json(struct reply *reply, int status);

/* 204. */
void reply_empty(struct reply *reply);

/* 304; see http/condition.h. */
void reply_not_modified(struct reply *reply);

/*
 * application/problem+json (RFC 9457) with title of the status, `detail` and the trace id; drops what was written
 * before. The detail is shown to the client: say what is wrong and what to do, nothing internal.
 */
void reply_problem(struct reply *reply, int status, const char *detail, ...) __attribute__((format(printf, 3, 4)));

/*
 * The same in two halves, for a problem with further members: begin leaves the object open in `reply->json`, end closes
 * it and returns the status.
 */
void reply_problem_begin(struct reply *reply, int status, const char *detail);
void reply_problem_end(struct reply *reply);

/* 503 with Retry-After: 1; `what` names the part that cannot answer. */
void reply_unavailable(struct reply *reply, const char *what);

/* Title of a status code (RFC 9110), "Unknown" when there is none. A literal. */
const char *reply_title(int status);

#endif
