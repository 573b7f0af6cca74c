/* SPDX-License-Identifier: MIT */
/*
 * Reads JSON (RFC 8259, strictly) as tokens: it makes no tree and takes no memory, and its caller skips unwanted
 *values. Time is linear in the text.
 *
 *	struct json_lex lex;
 *	json_lex_begin(&lex, text, len);
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
	JSON_LEX_BAD, /* not JSON, or too deep: `fault` says why; it comes again at each call */
	JSON_LEX_END, /* of the text; it comes again, too */
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
	const char *text; /* where the token begins; of names and strings the text between the quotes, valid UTF-8 */
	size_t len;
	bool escaped; /* the name or string has escapes: json_lex_text reads it */
	/* private */
	unsigned depth, expect;
	uint64_t objects[JSON_LEX_DEPTH_MAX / 64]; /* bit d: the level d is an object */
};

/* The text stays the caller's and must outlive the reading. */
void json_lex_begin(struct json_lex *lex, const char *text, size_t len);

enum json_token json_lex_next(struct json_lex *lex);

/* Goes from the first token of a value to its last one. Returns false when that is JSON_LEX_BAD. */
bool json_lex_skip(struct json_lex *lex);

/*
 * Appends the name or string that was the last token, without its escapes, in UTF-8 (there may be a NUL in it). Returns
 * false and sets `fault` when an escape is half of a surrogate pair.
 */
bool json_lex_text(struct json_lex *lex, struct buf *out);

/* Returns true when the name or string is `text`, which is ASCII. */
bool json_lex_is(const struct json_lex *lex, const char *text);

#endif
