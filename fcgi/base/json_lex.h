/* SPDX-License-Identifier: MIT */
/*
 * JSON (RFC 8259, strictly) as a row of tokens: no tree is made, no memory is taken, and whoever does not want a value
 * skips it. Time is linear in the text.
 *
 *	struct json_lex lex;
 *	json_lex_begin(&lex, text, bytes);
 *	while (json_lex_next(&lex) > JSON_LEX_END)
 *		…
 *	if (lex.fault)
 *		// at lex.at
 */
#ifndef APM_BASE_JSON_LEX_H
#define APM_BASE_JSON_LEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define JSON_LEX_DEPTH_MAX 128 /* levels of objects and arrays */

enum json_token {
	JSON_LEX_BAD, /* not JSON, or too deep: `fault` says so; comes again however often it is asked */
	JSON_LEX_END, /* of the text; this too */
	JSON_LEX_OBJECT,
	JSON_LEX_OBJECT_END,
	JSON_LEX_ARRAY,
	JSON_LEX_ARRAY_END,
	JSON_LEX_NAME, /* of a member; its value follows */
	JSON_LEX_STRING,
	JSON_LEX_NUMBER,
	JSON_LEX_TRUE,
	JSON_LEX_FALSE,
	JSON_LEX_NULL
};

struct json_lex {
	const char *begin, *at, *end; /* `at`: the next byte */
	const char *fault;            /* a literal; NULL: none */
	enum json_token token;        /* the last one */
	const char *text; /* where it begins; of names and strings what is between the quotes, valid UTF-8 */
	size_t len;
	bool escaped; /* a name or a string has escapes: json_lex_text reads it */
	/* private */
	unsigned depth, expect;
	uint64_t objects[JSON_LEX_DEPTH_MAX / 64]; /* bit d: the level d is an object */
};

/* The text is the caller's, for as long as it is read. */
void json_lex_begin(struct json_lex *lex, const char *text, size_t bytes);

enum json_token json_lex_next(struct json_lex *lex);

/* After the first token of a value: goes to its last one. False: JSON_LEX_BAD. */
bool json_lex_skip(struct json_lex *lex);

/*
 * Appends the name or string that was the last token, without its escapes, in UTF-8 (there may be a NUL in it). False:
 * an escape says half of a surrogate pair; `fault` is set.
 */
bool json_lex_text(struct json_lex *lex, struct buf *out);

/* True when the name or string is `text`, which is ASCII. */
bool json_lex_is(const struct json_lex *lex, const char *text);

#endif
