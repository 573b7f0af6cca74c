/* SPDX-License-Identifier: MIT */
/*
 * The query of a search, parsed: one span set of TraceQL, or the older parameter tags of Tempo's search.
 *
 *	{ resource.service.name = "order-service" && (status = error || duration > 100ms) }
 *	tags=service.name=order-service http.response.status_code=503
 */
#ifndef APM_TRACE_STORE_SELECTOR_H
#define APM_TRACE_STORE_SELECTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "trace_store/regex.h"
#include "trace_store/span_summary.h"

#define SELECTOR_CONDITIONS_MAX 16
#define SELECTOR_TEXT_MAX 4096 /* bytes of a query */
#define SELECTOR_PROGRAM_MAX 64

enum selector_field {
	SELECT_ATTRIBUTE, /* of the span, else of its resource */
	SELECT_SPAN,
	SELECT_RESOURCE,
	SELECT_SCOPE, /* of the instrumentation scope */
	SELECT_EVENT, /* of any of its events; of links in the same way */
	SELECT_LINK,
	SELECT_NAME,
	SELECT_KIND,
	SELECT_STATUS,
	SELECT_STATUS_MESSAGE,
	SELECT_DURATION, /* ns */
	SELECT_SPAN_ID,  /* in hexadecimal */
	SELECT_TRACE_ID,
	SELECT_PARENT_ID,
	SELECT_ROOT_NAME,
	SELECT_ROOT_SERVICE,
	SELECT_TRACE_DURATION, /* ns */
	SELECT_EVENT_NAME,
	SELECT_SCOPE_NAME,
	SELECT_SCOPE_VERSION
};

enum selector_comparison { SELECT_EQ, SELECT_NE, SELECT_LT, SELECT_LE, SELECT_GT, SELECT_GE, SELECT_RE, SELECT_NRE };

struct selector_condition {
	enum selector_field field;
	struct slice key; /* the key of an attribute, or an intrinsic's name in TraceQL */
	enum selector_comparison comparison;
	struct value value;
	struct regex *regex; /* of the last two comparisons */
	bool nil;            /* compared with nil: = finds what is absent, != what is there */
	bool loose;          /* from tags: a text, to which a number or a bool may be equal as well */
};

enum { SELECT_AND = 100, SELECT_OR, SELECT_NOT }; /* in a program, besides numbers of conditions */

struct selector {
	struct selector_condition conditions[SELECTOR_CONDITIONS_MAX];
	size_t count;
	uint8_t program[SELECTOR_PROGRAM_MAX]; /* which of them have to hold, in postfix order; all of them if it is
						  empty */
	size_t program_len;
	bool each_alone;              /* from tags: each condition may hold for another span of the trace */
	char text[SELECTOR_TEXT_MAX]; /* keys and values point into it */
	size_t used;
};

/* Why a query is refused, for its author, with line and column, which are counted from 1 in characters. */
struct selector_error {
	char text[480];
};

/*
 * Parses `{…}` with conditions, && || ! and parentheses; "" selects all. Returns false if it is not that, or a part of
 * TraceQL that is not supported. Call selector_done whatever the result is.
 */
bool selector_parse(struct selector *s, const char *query, struct selector_error *error);

/* Parses key=value …, with quotes around values with spaces; "" selects all. */
bool selector_parse_tags(struct selector *s, const char *tags, struct selector_error *error);

/* A selector of zeros, or one that is done, may be done again. */
void selector_done(struct selector *s);

/* Reads "100ms", "1.5s", "2m" or "1h30m" as nanoseconds. Returns false if it is no duration. */
bool selector_duration(const char *text, uint64_t *ns);

/*
 * Finds the field that TraceQL gives this name, such as span:name. Returns false if there is none, or it is not
 * supported.
 */
bool selector_intrinsic(struct slice name, enum selector_field *field);

/* Returns the names of all of these by index; NULL after the last. */
const char *selector_intrinsic_at(size_t index);

/*
 * Returns the length of a prefix such as "span." or "." that `name` begins with, and the field of attributes that it
 * stands for; 0 if there is none.
 */
size_t selector_scope(struct slice name, enum selector_field *field);

/* Returns TraceQL's name for a kind or a status by its number in OTLP; NULL for other fields, and numbers without one.
 */
const char *selector_name_of(enum selector_field field, uint32_t number);

#endif
