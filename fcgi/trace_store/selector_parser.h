/* SPDX-License-Identifier: MIT */
/* The parser of queries, for the files selector_*.c alone. */
#ifndef APM_TRACE_STORE_SELECTOR_PARSER_H
#define APM_TRACE_STORE_SELECTOR_PARSER_H

#include "trace_store/selector.h"

/* The kinds of values that a field may be compared with. */
enum selector_kind_of_value { SELECT_ANYTHING, SELECT_TEXT, SELECT_A_DURATION, SELECT_A_STATUS, SELECT_A_KIND };

struct selector_intrinsic_name {
	const char *text;
	enum selector_field field;
	enum selector_kind_of_value kind;
};

/* Returns NULL if there is no such intrinsic, or it is not supported. */
const struct selector_intrinsic_name *selector_find_intrinsic(struct slice name);

/* Returns true if TraceQL has such a field that is not supported. */
bool selector_is_foreign(struct slice name);

/* Reads the name of a status or a kind as its number. Returns false if the field has no such name. */
bool selector_find_name(enum selector_field field, struct slice name, struct value *out);

/* Reads a number, or a sum of numbers with units of time, in nanoseconds. Returns false if `s` is neither. */
bool selector_number(struct slice s, struct value *out);

/* Copies a text into the selector, which has room for the longest query. */
struct slice selector_keep(struct selector *s, const char *p, size_t len);

/*
 * Reads "text", in which a backslash escapes, or `text`. `p` is at the quote. Returns the place after the text; NULL if
 * the closing quote is missing.
 */
const char *selector_quoted(struct selector *s, const char *p, struct slice *out);

/* ---- selector_condition.c ---- */

struct selector_parser {
	struct selector *s;
	const char *what; /* the name of the language, for errors */
	const char *begin, *p;
	unsigned depth;
	struct selector_error *error;
};

/* Writes "TraceQL, line 1, column 3: found x; …" for the place `at`. Returns false, for `return selector_refuse(…)`. */
__attribute__((format(printf, 3, 4))) bool selector_refuse(struct selector_parser *r, const char *at,
							   const char *format, ...);

void selector_skip_space(struct selector_parser *r);
bool selector_starts_with(const struct selector_parser *r, const char *text);

/* Adds a step to the program. Returns false if it was refused because there are too many. */
bool selector_add_step(struct selector_parser *r, uint8_t step);

/* Parses a field, a comparison, a value, and the space after them. */
bool selector_parse_condition(struct selector_parser *r);

#endif
