/* SPDX-License-Identifier: MIT */
/*
 * Conditional requests (RFC 9110 section 13) on single resources. An ETag is made of the representation's bytes, so
 * that it is strong, needs no column, and is the same in every answer that shows the same state.
 *
 * A change looks at its condition inside the transaction that makes it, so that no update is lost:
 *
 *	struct condition condition;
 *	condition_init(&condition, req);                      // the handler; then, in the job:
 *	if (!condition_holds(&condition, json.data, json.len))
 *		return DB_CONFLICT;
 *	…
 *	if (condition.failed)                                 // the handler again
 *		return reply_condition_failed(reply);
 */
#ifndef APM_HTTP_CONDITION_H
#define APM_HTTP_CONDITION_H

#include <stdbool.h>
#include <stddef.h>

#include "http/reply.h"
#include "http/request.h"

#define ETAG_SIZE 32

/* Writes the strong ETag of a representation, in its quotes, into `out` (ETAG_SIZE bytes). Any thread. */
void etag_of(const void *data, size_t len, char *out);

/*
 * Returns true if a field value of If-Match or If-None-Match (a list of entity tags, or an asterisk) has this ETag.
 * With `weak` the comparison is weak, as If-None-Match demands; without it a weak tag in the list equals nothing. The
 * rest of the list after a malformed tag is ignored.
 */
bool etag_in(const char *list, const char *etag, bool weak);

/* The conditions of one request. Points into the request. */
struct condition {
	const char *if_match, *if_none_match; /* NULL: not given */
	bool failed;                          /* the answer is 412 */
};

void condition_init(struct condition *condition, const struct request *req);

/* Returns false if the request has no condition, so that every state is right. */
bool condition_is_given(const struct condition *condition);

/*
 * Returns true if a method may change a resource that has this representation, else notes it in `failed`. A resource
 * that is not there is 404 whatever the condition says (RFC 9110 section 13.2.1). Any thread.
 */
bool condition_holds(struct condition *condition, const void *representation, size_t len);

/* Answers 412. */
void reply_condition_failed(struct reply *reply);

/*
 * Answers with the one resource that was written to reply_writer(), as application/json with its ETag. A GET or HEAD is
 * answered 304 if its If-None-Match has that ETag, 412 if its If-Match has not.
 */
void reply_resource(struct reply *reply, const struct request *req, int status);

#endif
