/* SPDX-License-Identifier: MIT */
/*
 * Reads and checks input, field by field, and collects every fault, so that the client sees all of them at once:
 *
 *	struct form form;
 *	form_body(&form, req, reply);
 *	form_text(&form, "name", FORM_REQUIRED, 1, 100, &user.name);
 *	if (!form_end(&form))
 *		return;                     // the answer is written: 400, 413, 415 or 422
 *
 * The strings of a body live as long as the request, those of a query as long as the form. All end with a NUL.
 *
 * The problem's `errors` name each fault by a pointer: into the body by a JSON pointer in its URI fragment form,
 *"#/name" (RFC 6901 section 6), a query parameter by "?name".
 */
#ifndef APM_HTTP_FORM_H
#define APM_HTTP_FORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "http/page.h"
#include "http/reply.h"
#include "http/request.h"

enum form_need { FORM_REQUIRED, FORM_OPTIONAL };

#define FORM_FIELDS_MAX 8
#define FORM_ERRORS_MAX 16
#define FORM_QUERY_VALUE_MAX 1024 /* bytes of a parameter */

struct form {
	const struct request *req;
	struct reply *reply;
	struct json_object *object; /* the body, which the request owns; NULL if it cannot be read, or for a query */
	bool is_query;
	char query[4 * FORM_QUERY_VALUE_MAX]; /* the parameters that were asked for, decoded */
	size_t query_used;
	const char *fields[FORM_FIELDS_MAX]; /* those that were asked for; any other member is unknown */
	size_t field_count;
	struct form_error {
		char pointer[128];
		const char *detail; /* literal */
	} errors[FORM_ERRORS_MAX];
	size_t error_count;
	int status;         /* 0, or that of a body that could not be read at all */
	const char *detail; /* literal, with that status */
};

/* Parses the JSON object of the body; form_end answers 415, 413, 400 (not JSON) or 422 (not an object, not UTF-8). */
void form_body(struct form *form, struct request *req, struct reply *reply);

/* Lets the calls below read parameters of the query string; unknown parameters are ignored. */
void form_query(struct form *form, struct request *req, struct reply *reply);

/* Text of min..max characters (code points) without control characters; .data is NULL when it is absent or bad. */
void form_text(struct form *form, const char *name, enum form_need need, size_t min, size_t max, struct slice *out);

/* Text of the form a@b: 254 bytes at most, one @, no white space. */
void form_email(struct form *form, const char *name, enum form_need need, struct slice *out);

/* One of the words of a NULL-terminated list. *out becomes that literal, and is untouched if the field is absent. */
void form_choice(struct form *form, const char *name, enum form_need need, const char *const *words, const char **out);

/* An integer within min..max. *out is untouched if the field is absent. */
void form_int(struct form *form, const char *name, enum form_need need, int64_t min, int64_t max, int64_t *out);

/* A number with two decimals at most, as integer hundredths within min..max. */
void form_hundredths(struct form *form, const char *name, enum form_need need, int64_t min, int64_t max, int64_t *out);

/* The parameters of a list: ?limit=&cursor=. */
void form_page(struct form *form, struct page *out);

/* Returns true if all is well. Otherwise the problem is written to the reply. */
bool form_end(struct form *form);

/*
 * Answers 422 for a fault that only the handler can see, after form_end has returned true. `name` is the field,
 * `detail` a literal.
 */
void form_refuse(struct form *form, const char *name, const char *detail);

#endif
