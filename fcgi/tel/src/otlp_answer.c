/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "tel/src/otlp.h"

/* The rest of a message; protobuf.dev/programming-guides/encoding. */
struct reader {
	const uint8_t *at, *end;
};

struct field {
	uint64_t number;
	uint64_t varint;     /* wire type 0 */
	struct reader bytes; /* wire type 2, otherwise empty */
};

static struct reader reader_of(const void *body, size_t bytes)
{
	return bytes ? (struct reader){body, (const uint8_t *)body + bytes} : (struct reader){NULL, NULL};
}

static bool read_varint(struct reader *r, uint64_t *value)
{
	uint64_t result = 0;

	for (unsigned shift = 0; shift < 64 && r->at < r->end; shift += 7) {
		uint8_t byte = *r->at++;
		result |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*value = result;
			return true;
		}
	}
	return false;
}

static bool skip(struct reader *r, uint64_t bytes)
{
	if (bytes > (uint64_t)(r->end - r->at))
		return false;
	r->at += bytes;
	return true;
}

/* False: malformed. Groups (wire types 3 and 4) are not part of proto3. */
static bool read_field(struct reader *r, struct field *out)
{
	uint64_t tag, length;

	*out = (struct field){0};
	if (!read_varint(r, &tag) || tag >> 3 == 0)
		return false;
	out->number = tag >> 3;
	switch (tag & 7) {
	case 0: return read_varint(r, &out->varint);
	case 1: return skip(r, 8);
	case 2:
		if (!read_varint(r, &length))
			return false;
		out->bytes.at = r->at;
		if (!skip(r, length))
			return false;
		out->bytes.end = r->at;
		return true;
	case 5: return skip(r, 4);
	default: return false;
	}
}

static void copy_message(struct reader text, char message[OTLP_MESSAGE_SIZE])
{
	size_t bytes = (size_t)(text.end - text.at);

	if (bytes > OTLP_MESSAGE_SIZE - 1)
		bytes = OTLP_MESSAGE_SIZE - 1;
	if (bytes)
		memcpy(message, text.at, bytes);
	message[bytes] = '\0';
}

/* ExportTracePartialSuccess{rejected_spans=1,error_message=2} */
static bool read_partial_success(struct reader r, struct otlp_answer *answer)
{
	struct field field;

	while (r.at < r.end) {
		if (!read_field(&r, &field))
			return false;
		if (field.number == 1)
			answer->rejected = field.varint;
		else if (field.number == 2)
			copy_message(field.bytes, answer->message);
	}
	return true;
}

/* ExportTraceServiceResponse{partial_success=1} */
bool otlp_read_answer(const void *body, size_t bytes, struct otlp_answer *out)
{
	struct reader r = reader_of(body, bytes);
	struct otlp_answer answer = {0};
	struct field field;

	while (r.at < r.end) {
		if (!read_field(&r, &field))
			return false;
		if (field.number == 1 && !read_partial_success(field.bytes, &answer))
			return false;
	}
	*out = answer;
	return true;
}

/* google.rpc.Status{code=1,message=2,details=3} */
bool otlp_read_error(const void *body, size_t bytes, char message[OTLP_MESSAGE_SIZE])
{
	struct reader r = reader_of(body, bytes), text = {NULL, NULL};
	struct field field;

	while (r.at < r.end) {
		if (!read_field(&r, &field))
			return false;
		if (field.number == 2)
			text = field.bytes;
	}
	copy_message(text, message);
	return true;
}
