/* SPDX-License-Identifier: MIT */
#include "base/json_write.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/hex.h"
#include "base/utf8.h"

#define MAX_DEPTH 127

void json_init(struct json_writer *w, struct buf *out)
{
	*w = (struct json_writer){.out = out};
}

/* Before every value and key: the comma that is due. */
static void separate(struct json_writer *w)
{
	uint64_t bit = UINT64_C(1) << w->depth % 64, *has_member = &w->has_member[w->depth / 64];

	if (w->after_key) {
		w->after_key = false;
		return;
	}
	if (*has_member & bit)
		buf_addc(w->out, ',');
	*has_member |= bit;
}

static void begin(struct json_writer *w, char bracket)
{
	separate(w);
	assert(w->depth < MAX_DEPTH);
	w->depth++;
	w->has_member[w->depth / 64] &= ~(UINT64_C(1) << w->depth % 64);
	buf_addc(w->out, bracket);
}

static void end(struct json_writer *w, char bracket)
{
	assert(w->depth > 0 && !w->after_key);
	w->depth--;
	buf_addc(w->out, bracket);
}

void json_begin_object(struct json_writer *w)
{
	begin(w, '{');
}

void json_end_object(struct json_writer *w)
{
	end(w, '}');
}

void json_begin_array(struct json_writer *w)
{
	begin(w, '[');
}

void json_end_array(struct json_writer *w)
{
	end(w, ']');
}

void json_key(struct json_writer *w, const char *key)
{
	separate(w);
	buf_addc(w->out, '"');
	buf_adds(w->out, key);
	buf_add(w->out, "\":", 2);
	w->after_key = true;
}

static bool is_plain(char c)
{
	return (unsigned char)(c - 0x20) < 0x5f && c != '"' && c != '\\';
}

static size_t escape_unit(unsigned unit, char *out)
{
	static const char names[] = "btn\0fr"; /* from U+0008 */

	out[0] = '\\';
	if (unit == '"' || unit == '\\') {
		out[1] = (char)unit;
		return 2;
	}
	if (unit >= 8 && unit <= 13 && names[unit - 8]) {
		out[1] = names[unit - 8];
		return 2;
	}
	uint8_t bytes[2] = {(uint8_t)(unit >> 8), (uint8_t)unit};
	out[1] = 'u';
	hex_encode(bytes, 2, out + 2);
	return 6;
}

/* Writes the character at `s` as JSON, *written bytes and 6 at most, to `out`; returns how many bytes were read. */
static size_t encode_character(const char *s, size_t left, char *out, size_t *written)
{
	size_t n = utf8_sequence(s, left);

	if (n == 0) {
		memcpy(out, UTF8_REPLACEMENT, 3);
		*written = 3;
		return utf8_ill_formed(s, left);
	}
	unsigned char c = (unsigned char)s[0];
	if (n == 1) {
		*written = escape_unit(c, out);
	} else if (n == 2 && c == 0xc2 && (unsigned char)s[1] < 0xa0) {
		*written = escape_unit((unsigned char)s[1], out);
	} else if (n == 3 && (memcmp(s, "\xe2\x80\xa8", 3) == 0 || memcmp(s, "\xe2\x80\xa9", 3) == 0)) {
		*written = escape_unit(0x2000 + ((unsigned char)s[2] & 0x3f), out);
	} else {
		memcpy(out, s, n);
		*written = n;
	}
	return n;
}

/* Returns true if everything was written. */
static bool add_characters(struct buf *out, const char *text, size_t len, size_t max)
{
	size_t i = 0;

	while (i < len) {
		size_t plain = i;
		while (plain < len && plain - i < max && is_plain(text[plain]))
			plain++;
		buf_add(out, text + i, plain - i);
		max -= plain - i;
		i = plain;
		if (i == len)
			break;

		char encoded[6];
		size_t written;
		size_t read = encode_character(text + i, len - i, encoded, &written);
		if (written > max)
			return false;
		buf_add(out, encoded, written);
		max -= written;
		i += read;
	}
	return true;
}

bool json_string_cut(struct json_writer *w, const char *text, size_t len, size_t max)
{
	separate(w);
	buf_addc(w->out, '"');
	bool whole = add_characters(w->out, text, len, max);
	buf_addc(w->out, '"');
	return whole;
}

void json_string(struct json_writer *w, const char *text, size_t len)
{
	json_string_cut(w, text, len, SIZE_MAX);
}

void json_key_string(struct json_writer *w, const char *key, size_t len)
{
	json_string(w, key, len);
	buf_addc(w->out, ':');
	w->after_key = true;
}

void json_text(struct json_writer *w, const char *text)
{
	if (text)
		json_string(w, text, strlen(text));
	else
		json_null(w);
}

void json_int(struct json_writer *w, int64_t value)
{
	separate(w);
	buf_add_int(w->out, value);
}

void json_double(struct json_writer *w, double value)
{
	if (!isfinite(value)) {
		json_null(w);
		return;
	}
	separate(w);
	buf_add_double(w->out, value);
	if (value == 0 && signbit(value))
		buf_adds(w->out, ".0"); /* many readers take -0 for an integer, which has no sign of its zero */
}

void json_boolean(struct json_writer *w, bool value)
{
	separate(w);
	buf_adds(w->out, value ? "true" : "false");
}

void json_null(struct json_writer *w)
{
	separate(w);
	buf_adds(w->out, "null");
}

void json_member_text(struct json_writer *w, const char *key, const char *text)
{
	json_key(w, key);
	json_text(w, text);
}

void json_member_int(struct json_writer *w, const char *key, int64_t value)
{
	json_key(w, key);
	json_int(w, value);
}

void json_hundredths(struct json_writer *w, int64_t hundredths)
{
	uint64_t rest = hundredths < 0 ? 0 - (uint64_t)hundredths : (uint64_t)hundredths;

	separate(w);
	if (hundredths < 0)
		buf_addc(w->out, '-');
	buf_add_int(w->out, (long long)(rest / 100));
	rest %= 100;
	if (rest == 0)
		return;
	buf_addc(w->out, '.');
	buf_addc(w->out, (char)('0' + rest / 10));
	if (rest % 10)
		buf_addc(w->out, (char)('0' + rest % 10));
}

void json_hex(struct json_writer *w, const uint8_t *in, size_t len)
{
	separate(w);
	buf_addc(w->out, '"');
	if (buf_reserve(w->out, 2 * len)) {
		hex_encode(in, len, w->out->data + w->out->len);
		w->out->len += 2 * len;
		w->out->data[w->out->len] = '\0';
	}
	buf_addc(w->out, '"');
}
