/* SPDX-License-Identifier: MIT */
#include "base/protobuf.h"

#include <string.h>

#include "base/utf8.h"

#define TAG(field, wire) ((field) << 3 | (wire))

/* ---- into room that is there ---- */

size_t protobuf_varint_size(uint64_t value)
{
	size_t bytes = 1;

	while (value >>= 7)
		bytes++;
	return bytes;
}

char *protobuf_put_varint(char *p, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		*p++ = (char)(value | 0x80);
	*p++ = (char)value;
	return p;
}

static char *put_fixed(char *p, uint64_t value, int bytes)
{
	for (int i = 0; i < bytes; i++)
		*p++ = (char)(value >> 8 * i);
	return p;
}

char *protobuf_put_length(char *p, unsigned field, size_t bytes)
{
	return protobuf_put_varint(protobuf_put_varint(p, TAG(field, PROTOBUF_BYTES)), bytes);
}

char *protobuf_put_bytes(char *p, unsigned field, const void *data, size_t bytes)
{
	p = protobuf_put_length(p, field, bytes);
	memcpy(p, data, bytes);
	return p + bytes;
}

size_t protobuf_field_size(size_t bytes)
{
	return 1 + protobuf_varint_size(bytes) + bytes;
}

char *protobuf_room(struct buf *out, size_t bytes)
{
	return buf_reserve(out, bytes) ? out->data + out->len : NULL;
}

void protobuf_commit(struct buf *out, const char *end)
{
	out->len = (size_t)(end - out->data);
}

/* ---- fields ---- */

void protobuf_add_varint(struct buf *out, unsigned field, uint64_t value)
{
	char *p = protobuf_room(out, 2 * PROTOBUF_VARINT_MAX);

	if (p)
		protobuf_commit(out, protobuf_put_varint(protobuf_put_varint(p, TAG(field, PROTOBUF_VARINT)), value));
}

void protobuf_add_fixed64(struct buf *out, unsigned field, uint64_t value)
{
	char *p = protobuf_room(out, PROTOBUF_VARINT_MAX + 8);

	if (p)
		protobuf_commit(out, put_fixed(protobuf_put_varint(p, TAG(field, PROTOBUF_FIXED64)), value, 8));
}

void protobuf_add_fixed32(struct buf *out, unsigned field, uint32_t value)
{
	char *p = protobuf_room(out, PROTOBUF_VARINT_MAX + 4);

	if (p)
		protobuf_commit(out, put_fixed(protobuf_put_varint(p, TAG(field, PROTOBUF_FIXED32)), value, 4));
}

void protobuf_add_double(struct buf *out, unsigned field, double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	protobuf_add_fixed64(out, field, bits);
}

void protobuf_add_bytes(struct buf *out, unsigned field, const void *data, size_t bytes)
{
	char *p = protobuf_room(out, 2 * PROTOBUF_VARINT_MAX + bytes);

	if (p)
		protobuf_commit(out, protobuf_put_bytes(p, field, data, bytes));
}

void protobuf_add_packed_fixed64(struct buf *out, unsigned field, const uint64_t *values, size_t count)
{
	char *p = protobuf_room(out, 2 * PROTOBUF_VARINT_MAX + 8 * count);

	if (!p)
		return;
	p = protobuf_put_length(p, field, 8 * count);
	for (size_t i = 0; i < count; i++)
		p = put_fixed(p, values[i], 8);
	protobuf_commit(out, p);
}

size_t protobuf_begin(struct buf *out, unsigned field)
{
	char *p = protobuf_room(out, PROTOBUF_VARINT_MAX + 1);

	if (p)
		protobuf_commit(out, protobuf_put_varint(p, TAG(field, PROTOBUF_BYTES)) + 1);
	return out->len;
}

void protobuf_end(struct buf *out, size_t begin)
{
	if (out->failed)
		return;
	size_t bytes = out->len - begin;
	size_t more = protobuf_varint_size(bytes) - 1;
	if (more) {
		if (!buf_reserve(out, more))
			return;
		memmove(out->data + begin + more, out->data + begin, bytes);
		out->len += more;
	}
	protobuf_put_varint(out->data + begin - 1, bytes);
}

/* ---- text ---- */

static bool is_ascii(const char *s, size_t bytes)
{
	uint64_t high = 0, word;

	for (; bytes >= sizeof(word); s += sizeof(word), bytes -= sizeof(word)) {
		memcpy(&word, s, sizeof(word));
		high |= word;
	}
	for (; bytes; bytes--)
		high |= (uint64_t)(unsigned char)*s++;
	return !(high & UINT64_C(0x8080808080808080));
}

static void add_repaired(struct buf *out, unsigned field, const char *s, size_t bytes)
{
	size_t begin = protobuf_begin(out, field); /* on the wire a string is like a message */

	while (bytes) {
		size_t n = utf8_sequence(s, bytes);
		size_t read = n ? n : utf8_ill_formed(s, bytes);
		buf_add(out, n ? s : UTF8_REPLACEMENT, n ? n : 3);
		s += read;
		bytes -= read;
	}
	protobuf_end(out, begin);
}

bool protobuf_is_text(const char *s, size_t bytes)
{
	return is_ascii(s, bytes) || utf8_valid(s, bytes);
}

void protobuf_add_text(struct buf *out, unsigned field, const char *s, size_t bytes)
{
	if (protobuf_is_text(s, bytes))
		protobuf_add_bytes(out, field, s, bytes);
	else
		add_repaired(out, field, s, bytes);
}

/* ---- reading ---- */

static void skip(struct slice *b, size_t len)
{
	b->data += len;
	b->len -= len;
}

static bool take_varint(struct slice *b, uint64_t *out)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < PROTOBUF_VARINT_MAX && i < b->len; i++) {
		uint64_t byte = (unsigned char)b->data[i];
		if (i == PROTOBUF_VARINT_MAX - 1 && byte > 1)
			return false;
		value |= (byte & 0x7f) << 7 * i;
		if (byte < 0x80) {
			*out = value;
			skip(b, i + 1);
			return true;
		}
	}
	return false;
}

static bool take_fixed(struct slice *b, unsigned len, uint64_t *out)
{
	if (b->len < len)
		return false;
	*out = 0;
	for (unsigned i = 0; i < len; i++)
		*out |= (uint64_t)(unsigned char)b->data[i] << 8 * i;
	skip(b, len);
	return true;
}

static bool take_bytes(struct slice *b, struct slice *out)
{
	uint64_t len;

	if (!take_varint(b, &len) || len > b->len)
		return false;
	*out = (struct slice){b->data, (size_t)len};
	skip(b, (size_t)len);
	return true;
}

static bool take_field(struct slice *left, struct protobuf_field *out)
{
	uint64_t tag;

	if (!take_varint(left, &tag) || tag > UINT32_MAX || tag >> 3 == 0)
		return false;
	out->number = (uint32_t)(tag >> 3);
	out->type = (enum protobuf_type)(tag & 7);
	switch (out->type) {
	case PROTOBUF_VARINT: return take_varint(left, &out->value);
	case PROTOBUF_FIXED64: return take_fixed(left, 8, &out->value);
	case PROTOBUF_FIXED32: return take_fixed(left, 4, &out->value);
	case PROTOBUF_BYTES: return take_bytes(left, &out->bytes);
	default: return false;
	}
}

bool protobuf_next(struct protobuf *w, struct protobuf_field *out)
{
	const char *begin = w->left.data;

	if (w->malformed || w->left.len == 0)
		return false;
	*out = (struct protobuf_field){0};
	w->malformed = !take_field(&w->left, out);
	out->whole = (struct slice){begin, (size_t)(w->left.data - begin)};
	return !w->malformed;
}
