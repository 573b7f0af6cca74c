/* SPDX-License-Identifier: MIT */
/* Protobuf as it is on the wire (protobuf.dev/programming-guides/encoding): a reader of one message, and a writer. */
#ifndef APM_TRACE_STORE_WIRE_H
#define APM_TRACE_STORE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

struct wire_field {
	uint32_t number;
	enum wire_type type;
	uint64_t value;     /* of the three types of numbers */
	struct slice bytes; /* the content, when the type is WIRE_BYTES */
	struct slice whole; /* with tag and length */
};

/* What is left of a message. Begin with .left = the message. */
struct wire {
	struct slice left;
	bool malformed;
};

/*
 * The next field. False: the end, or `malformed` is set: cut off, a number longer than its type, field number 0, or a
 * group. Any bytes may come; reads nothing outside of the message.
 */
bool wire_next(struct wire *w, struct wire_field *out);

/* ---- writing; errors are those of `out` ---- */

void wire_add_varint(struct buf *out, uint32_t number, uint64_t value);
void wire_add_fixed64(struct buf *out, uint32_t number, uint64_t value);
void wire_add_fixed32(struct buf *out, uint32_t number, uint32_t value);
void wire_add_bytes(struct buf *out, uint32_t number, const void *data, size_t len);

/* A message inside: add its fields between the two. `begin` is what wire_begin returned. */
size_t wire_begin(struct buf *out, uint32_t number);
void wire_end(struct buf *out, size_t begin);

#endif
