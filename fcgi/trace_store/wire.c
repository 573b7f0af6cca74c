/* SPDX-License-Identifier: MIT */
#include "trace_store/wire.h"

#include <string.h>

#define VARINT_MAX 10

/* ---- reading ---- */

static void skip(struct slice *b, size_t len)
{
	b->data += len;
	b->len -= len;
}

static bool take_varint(struct slice *b, uint64_t *out)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < VARINT_MAX && i < b->len; i++) {
		uint64_t byte = (unsigned char)b->data[i];
		if (i == VARINT_MAX - 1 && byte > 1)
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

static bool take_field(struct slice *left, struct wire_field *out)
{
	uint64_t tag;

	if (!take_varint(left, &tag) || tag > UINT32_MAX || tag >> 3 == 0)
		return false;
	out->number = (uint32_t)(tag >> 3);
	out->type = (enum wire_type)(tag & 7);
	switch (out->type) {
	case WIRE_VARINT: return take_varint(left, &out->value);
	case WIRE_FIXED64: return take_fixed(left, 8, &out->value);
	case WIRE_FIXED32: return take_fixed(left, 4, &out->value);
	case WIRE_BYTES: return take_bytes(left, &out->bytes);
	default: return false;
	}
}

bool wire_next(struct wire *w, struct wire_field *out)
{
	const char *begin = w->left.data;

	if (w->malformed || w->left.len == 0)
		return false;
	*out = (struct wire_field){0};
	w->malformed = !take_field(&w->left, out);
	out->whole = (struct slice){begin, (size_t)(w->left.data - begin)};
	return !w->malformed;
}

/* ---- writing ---- */

static void add_varint(struct buf *out, uint64_t value)
{
	char text[VARINT_MAX];
	size_t len = 0;

	for (; value >= 0x80; value >>= 7)
		text[len++] = (char)(value | 0x80);
	text[len++] = (char)value;
	buf_add(out, text, len);
}

static void add_fixed(struct buf *out, uint64_t value, unsigned len)
{
	for (unsigned i = 0; i < len; i++)
		buf_addc(out, (char)(value >> 8 * i));
}

static void add_tag(struct buf *out, uint32_t number, enum wire_type type)
{
	add_varint(out, (uint64_t)number << 3 | (unsigned)type);
}

void wire_add_varint(struct buf *out, uint32_t number, uint64_t value)
{
	add_tag(out, number, WIRE_VARINT);
	add_varint(out, value);
}

void wire_add_fixed64(struct buf *out, uint32_t number, uint64_t value)
{
	add_tag(out, number, WIRE_FIXED64);
	add_fixed(out, value, 8);
}

void wire_add_fixed32(struct buf *out, uint32_t number, uint32_t value)
{
	add_tag(out, number, WIRE_FIXED32);
	add_fixed(out, value, 4);
}

void wire_add_bytes(struct buf *out, uint32_t number, const void *data, size_t len)
{
	add_tag(out, number, WIRE_BYTES);
	add_varint(out, len);
	buf_add(out, data, len);
}

/* One byte is kept for the length; a longer length moves the message. */
size_t wire_begin(struct buf *out, uint32_t number)
{
	add_tag(out, number, WIRE_BYTES);
	buf_addc(out, 0);
	return out->len;
}

void wire_end(struct buf *out, size_t begin)
{
	char text[VARINT_MAX + 1];
	struct buf length;

	if (out->failed)
		return;
	size_t len = out->len - begin;
	buf_init_fixed(&length, text, sizeof(text));
	add_varint(&length, len);
	if (!buf_reserve(out, length.len - 1))
		return;
	memmove(out->data + begin - 1 + length.len, out->data + begin, len);
	memcpy(out->data + begin - 1, length.data, length.len);
	out->len += length.len - 1;
}
