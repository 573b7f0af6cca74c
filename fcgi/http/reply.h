/* SPDX-License-Identifier: MIT */
/*
 * An answer as handlers make it. The functions that end an answer set its status; what they return is void, so that
 * `return reply_…(…)` ends a handler.
 */
#ifndef APM_HTTP_REPLY_H
#define APM_HTTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/json_write.h"

#define REPLY_BODY_MAX (4 << 20) /* bytes; /metrics with every series in use is the largest */

/* The server owns it and uses it for one request after the other. */
struct reply {
	int status;
	const char *content_type; /* literal */
	struct buf headers;       /* "Name: value\r\n" lines beyond Status and Content-Type */
	struct buf body;
	struct json_writer json;
	char reason[256];  /* why it is an error, for the log; "" if it is none */
	char trace_id[33]; /* set before the handler runs; problems name it */
};

void reply_init(struct reply *reply);
void reply_done(struct reply *reply);

/* Gives back memory that only a large answer needed, with its body. */
void reply_sent(struct reply *reply);

/* The same, and makes the reply ready for the next request. */
void reply_reset(struct reply *reply);

/* Lets this answer have another maximum than REPLY_BODY_MAX. Before anything is written to it. */
void reply_body_max(struct reply *reply, size_t max_bytes);

/* Adds a header. `name` is a literal; a value with a control character is dropped, never sent. */
void reply_header(struct reply *reply, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Returns the writer of the JSON body: write one value, then call reply_json. */
struct json_writer *reply_writer(struct reply *reply);

/* Answers application/json with what was written to reply_writer, or 500 if it did not fit. */
void reply_json(struct reply *reply, int status);

/* Answers 204. */
void reply_empty(struct reply *reply);

/* Answers 304; see http/condition.h. */
void reply_not_modified(struct reply *reply);

/*
 * Answers application/problem+json (RFC 9457) with the status, its title, `detail` and the trace id, instead of what
 * was written before. The client reads the detail: it says what is wrong and what to do, and nothing internal.
 */
void reply_problem(struct reply *reply, int status, const char *detail, ...) __attribute__((format(printf, 3, 4)));

/*
 * The same in two halves, for a problem with further members: start leaves the object open in `reply->json`, end closes
 * it.
 */
void reply_problem_start(struct reply *reply, int status, const char *detail);
void reply_problem_end(struct reply *reply);

/* Answers 503 with Retry-After: 1; `part` names what cannot answer. */
void reply_unavailable(struct reply *reply, const char *part);

/* Returns the title of a status code (RFC 9110), "Unknown" if it has none. A literal. */
const char *reply_title(int status);

#endif
