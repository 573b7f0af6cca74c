/* SPDX-License-Identifier: MIT */
/*
 * Reads and checks input, field by field; collects every fault, so that the client sees all of them at once:
 *
 *	struct form form;
 *	form_body(&form, req, reply);
 *	form_text(&form, "name", FORM_REQUIRED, 1, 100, &user.name);
 *	if (!form_end(&form))
 *		return reply->status;       // 400, 413, 415 or 422, already written
 *
 * Strings live until the next form_body or form_query on this thread.
 *
 * The problem's `errors` name each fault by a pointer: into the body a JSON pointer in its URI fragment form, "#/name"
 * (RFC 6901 section 6), of a query parameter "?name".
 */
#ifndef APM_HTTP_FORM_H
#define APM_HTTP_FORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/page.h"
#include "http/reply.h"
#include "http/request.h"

struct json_object;

enum form_need { FORM_REQUIRED, FORM_OPTIONAL };

struct form_string {
	const char *text; /* NUL-terminated; NULL: absent */
	size_t bytes;
};

#define FORM_FIELDS_MAX 8
#define FORM_ERRORS_MAX 16

struct form {
	const struct request *req;
	struct reply *reply;
	struct json_object *object; /* the body; NULL: none that can be read, or a query */
	bool is_query;
	const char *fields[FORM_FIELDS_MAX]; /* asked for so far; any other member is unknown */
	size_t field_count;
	struct form_error {
		char pointer[128];
		const char *detail; /* literal */
	} errors[FORM_ERRORS_MAX];
	size_t error_count;
	int status;         /* 0: fine so far; else why the body could not be read at all */
	const char *detail; /* literal, with that status */
};

/* Parses the JSON object of the body: 415, 413, 400 (not JSON), 422 (not an object, not UTF-8). */
void form_body(struct form *form, const struct request *req, struct reply *reply);

/* The same calls then read parameters of the query string; unknown ones are ignored. */
void form_query(struct form *form, const struct request *req, struct reply *reply);

/* Text of min..max characters (code points) without control characters. */
void form_text(struct form *form, const char *name, enum form_need need, size_t min, size_t max,
	       struct form_string *out);

/* Of the form a@b, 254 bytes at most, no white space, one @. */
void form_email(struct form *form, const char *name, enum form_need need, struct form_string *out);

/* One of the words of a NULL-terminated list; *out is the literal of the list, untouched when absent. */
void form_choice(struct form *form, const char *name, enum form_need need, const char *const *words, const char **out);

/* An integer within min..max; untouched when absent. */
void form_int(struct form *form, const char *name, enum form_need need, int64_t min, int64_t max, int64_t *out);

/* A number with two decimals at most, as integer hundredths within min..max. */
void form_hundredths(struct form *form, const char *name, enum form_need need, int64_t min, int64_t max, int64_t *out);

/* ?limit=&cursor= of a list. */
void form_page(struct form *form, struct page *out);

/* A fault that only the handler can see. `pointer` names the field, `detail` is a literal. */
void form_fault(struct form *form, const char *name, const char *detail);

/* True: all is well. False: the problem is written and its status returned in reply->status. */
bool form_end(struct form *form);

/* Frees what this thread keeps for the strings. Before the thread ends. */
void form_thread_done(void);

#endif
