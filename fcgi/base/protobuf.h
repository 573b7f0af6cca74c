/* SPDX-License-Identifier: MIT */
/*
 * Writes protobuf (protobuf.dev/programming-guides/encoding) into a buf: fields, messages inside, and text, which has
 * to be UTF-8. Errors are those of `out`; nothing is allocated but what `out` grows by.
 */
#ifndef APM_BASE_PROTOBUF_H
#define APM_BASE_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

/* Append a field with its tag. */
void protobuf_add_varint(struct buf *out, unsigned field, uint64_t value); /* uint, int, enum, bool */
void protobuf_add_fixed64(struct buf *out, unsigned field, uint64_t value);
void protobuf_add_fixed32(struct buf *out, unsigned field, uint32_t value);
void protobuf_add_double(struct buf *out, unsigned field, double value);
void protobuf_add_bytes(struct buf *out, unsigned field, const void *data, size_t bytes);
void protobuf_add_packed_fixed64(struct buf *out, unsigned field, const uint64_t *values, size_t count);

/* Appends a string; each part of it that is not UTF-8 becomes one U+FFFD. */
void protobuf_add_text(struct buf *out, unsigned field, const char *text, size_t bytes);

/* Returns true when protobuf_add_text would change nothing. */
bool protobuf_is_text(const char *text, size_t bytes);

/*
 * The fields appended between the two are a message inside, or a packed repeated field. Its length is written at its
 * end, into one byte kept for it; a longer one moves the message. Give the result to protobuf_end.
 */
size_t protobuf_begin(struct buf *out, unsigned field);
void protobuf_end(struct buf *out, size_t begin);

/* ---- for messages whose size is known beforehand: these write into reserved room and return the new end ---- */

#define PROTOBUF_VARINT_MAX ((size_t)10) /* bytes */

char *protobuf_put_length(char *p, unsigned field, size_t bytes); /* the beginning of a field of bytes */
char *protobuf_put_bytes(char *p, unsigned field, const void *data, size_t bytes);

/* Returns the size of a field of bytes whose number is below 16, so that its tag takes a byte. */
size_t protobuf_field_size(size_t bytes);

/* Returns the end of the buffer with room for `bytes`, NULL without room. protobuf_commit stores the new end. */
char *protobuf_room(struct buf *out, size_t bytes);
void protobuf_commit(struct buf *out, const char *end);

/* ---- reading ---- */

enum protobuf_type { PROTOBUF_VARINT = 0, PROTOBUF_FIXED64 = 1, PROTOBUF_BYTES = 2, PROTOBUF_FIXED32 = 5 };

struct protobuf_field {
	uint32_t number;
	enum protobuf_type type;
	uint64_t value;     /* of the three types of numbers */
	struct slice bytes; /* the content, when the type is PROTOBUF_BYTES */
	struct slice whole; /* with tag and length */
};

/* The rest of a message; begin with protobuf_reader. */
struct protobuf {
	struct slice left;
	bool malformed;
};

static inline struct protobuf protobuf_reader(struct slice message)
{
	return (struct protobuf){.left = message};
}

/* The slow way of protobuf_next. */
bool protobuf_next_of_any_form(struct protobuf *message, struct protobuf_field *out);

/*
 * Reads the next field. Returns false at the end, and sets `malformed` when a field is cut off, a number is longer than
 * its type, a field has number 0, or is a group. Any bytes may come; nothing outside of the message is read.
 */
static inline bool protobuf_next(struct protobuf *message, struct protobuf_field *out)
{
	const uint8_t *at = (const uint8_t *)message->left.data;

	/* Nearly all fields are bytes whose tag and length take one byte each. */
	if (message->left.len < 2 || (at[0] & 0x87) != PROTOBUF_BYTES || at[0] < 8 || at[1] >= 0x80 ||
	    at[1] > message->left.len - 2 || message->malformed)
		return protobuf_next_of_any_form(message, out);
	out->number = at[0] >> 3;
	out->type = PROTOBUF_BYTES;
	out->value = 0;
	out->bytes = (struct slice){message->left.data + 2, at[1]};
	out->whole = (struct slice){message->left.data, at[1] + (size_t)2};
	message->left = (struct slice){message->left.data + 2 + at[1], message->left.len - 2 - at[1]};
	return true;
}

#endif
