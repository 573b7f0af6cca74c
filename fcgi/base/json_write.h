/* SPDX-License-Identifier: MIT */
/* Writes JSON (RFC 8259) into a buf: always valid UTF-8; the writer sets commas and knows the nesting. */
#ifndef APM_BASE_JSON_WRITE_H
#define APM_BASE_JSON_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/*
 * The caller owns both structs. Errors are those of `out` (sticky). Nesting is limited to 127 levels (assert). Not
 * thread-safe.
 */
struct json_writer {
	struct buf *out;
	uint64_t has_member[2]; /* bit d: a member was written at depth d, so a comma is due */
	unsigned depth;
	bool after_key;
};

void json_init(struct json_writer *w, struct buf *out);

void json_begin_object(struct json_writer *w);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w);
void json_end_array(struct json_writer *w);

/* Writes a member name, a literal that needs no escape. */
void json_key(struct json_writer *w, const char *key);

/* Writes a member name of any bytes, escaped as by json_string. */
void json_key_string(struct json_writer *w, const char *key, size_t len);

/*
 * Each maximal ill-formed part of the text becomes one U+FFFD. Quotes, backslashes, control characters (U+0000-001F,
 * U+007F-009F) and the line separators U+2028 and U+2029 are escaped, so that no reader sees a second line.
 */
void json_string(struct json_writer *w, const char *text, size_t len);

/*
 * The same, but at most `max` bytes between the quotes, cut before the first character that does not fit. Returns false
 * when it was cut.
 */
bool json_string_cut(struct json_writer *w, const char *text, size_t len, size_t max);

void json_text(struct json_writer *w, const char *text); /* NUL-terminated; NULL writes null */
void json_int(struct json_writer *w, int64_t value);
void json_double(struct json_writer *w, double value); /* fewest digits that read back; NaN, infinities: null */
void json_boolean(struct json_writer *w, bool value);  /* json-c has a type called json_bool */
void json_null(struct json_writer *w);

/* A member of an object: json_key and its value. */
void json_member_text(struct json_writer *w, const char *key, const char *text);
void json_member_int(struct json_writer *w, const char *key, int64_t value);

/* Integer hundredths as a number with at most two decimals: 9999 -> 99.99, 990 -> 9.9, 1000 -> 10. */
void json_hundredths(struct json_writer *w, int64_t hundredths);

/* Writes `len` bytes as hexadecimal text. */
void json_hex(struct json_writer *w, const uint8_t *in, size_t len);

#endif
