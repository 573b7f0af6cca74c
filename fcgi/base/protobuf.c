/* SPDX-License-Identifier: MIT */
#include "base/protobuf.h"

#include <string.h>

#include "base/utf8.h"

#define TAG(field, wire) ((field) << 3 | (wire))

/* ---- into room that is there ---- */

static size_t varint_size(uint64_t value)
{
	size_t bytes = 1;

	while (value >>= 7)
		bytes++;
	return bytes;
}

static char *put_varint(char *p, uint64_t value)
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
	return put_varint(put_varint(p, TAG(field, PROTOBUF_BYTES)), bytes);
}

char *protobuf_put_bytes(char *p, unsigned field, const void *data, size_t bytes)
{
	p = protobuf_put_length(p, field, bytes);
	memcpy(p, data, bytes);
	return p + bytes;
}

size_t protobuf_field_size(size_t bytes)
{
	return 1 + varint_size(bytes) + bytes;
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
		protobuf_commit(out, put_varint(put_varint(p, TAG(field, PROTOBUF_VARINT)), value));
}

void protobuf_add_fixed64(struct buf *out, unsigned field, uint64_t value)
{
	char *p = protobuf_room(out, PROTOBUF_VARINT_MAX + 8);

	if (p)
		protobuf_commit(out, put_fixed(put_varint(p, TAG(field, PROTOBUF_FIXED64)), value, 8));
}

void protobuf_add_fixed32(struct buf *out, unsigned field, uint32_t value)
{
	char *p = protobuf_room(out, PROTOBUF_VARINT_MAX + 4);

	if (p)
		protobuf_commit(out, put_fixed(put_varint(p, TAG(field, PROTOBUF_FIXED32)), value, 4));
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
		protobuf_commit(out, put_varint(p, TAG(field, PROTOBUF_BYTES)) + 1);
	return out->len;
}

void protobuf_end(struct buf *out, size_t begin)
{
	if (out->failed)
		return;
	size_t bytes = out->len - begin;
	size_t more = varint_size(bytes) - 1;
	if (more) {
		if (!buf_reserve(out, more))
			return;
		memmove(out->data + begin + more, out->data + begin, bytes);
		out->len += more;
	}
	put_varint(out->data + begin - 1, bytes);
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

/* ---- reading: from `at`, which each of these moves on; the new place, or NULL if the message is malformed ---- */

static const uint8_t *read_long_varint(const uint8_t *at, const uint8_t *end, uint64_t *out)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 7 * PROTOBUF_VARINT_MAX && at < end; shift += 7) {
		uint64_t byte = *at++;
		if (shift == 63 && byte > 1)
			return NULL;
		value |= (byte & 0x7f) << shift;
		if (byte < 0x80) {
			*out = value;
			return at;
		}
	}
	return NULL;
}

/* Most are tags and lengths of one byte. */
static inline const uint8_t *read_varint(const uint8_t *at, const uint8_t *end, uint64_t *out)
{
	if (at == end || *at >= 0x80)
		return read_long_varint(at, end, out);
	*out = *at;
	return at + 1;
}

static const uint8_t *read_fixed(const uint8_t *at, const uint8_t *end, size_t len, uint64_t *out)
{
	if ((size_t)(end - at) < len)
		return NULL;
	*out = 0;
	for (size_t i = 0; i < len; i++)
		*out |= (uint64_t)at[i] << 8 * i;
	return at + len;
}

static const uint8_t *read_bytes(const uint8_t *at, const uint8_t *end, struct slice *out)
{
	uint64_t len;

	at = read_varint(at, end, &len);
	if (!at || len > (uint64_t)(end - at))
		return NULL;
	*out = (struct slice){(const char *)at, (size_t)len};
	return at + len;
}

static const uint8_t *read_field(const uint8_t *at, const uint8_t *end, struct protobuf_field *out)
{
	uint64_t tag;

	at = read_varint(at, end, &tag);
	if (!at || tag > UINT32_MAX || tag >> 3 == 0)
		return NULL;
	out->number = (uint32_t)(tag >> 3);
	out->type = (enum protobuf_type)(tag & 7);
	switch (out->type) {
	case PROTOBUF_VARINT: return read_varint(at, end, &out->value);
	case PROTOBUF_FIXED64: return read_fixed(at, end, 8, &out->value);
	case PROTOBUF_FIXED32: return read_fixed(at, end, 4, &out->value);
	case PROTOBUF_BYTES: return read_bytes(at, end, &out->bytes);
	default: return NULL;
	}
}

bool protobuf_next_of_any_form(struct protobuf *message, struct protobuf_field *out)
{
	const uint8_t *begin = (const uint8_t *)message->left.data;

	if (message->malformed || message->left.len == 0)
		return false;
	*out = (struct protobuf_field){0};
	const uint8_t *end = begin + message->left.len;
	const uint8_t *at = read_field(begin, end, out);
	if (!at) {
		message->malformed = true;
		return false;
	}
	out->whole = (struct slice){(const char *)begin, (size_t)(at - begin)};
	message->left = (struct slice){(const char *)at, (size_t)(end - at)};
	return true;
}
