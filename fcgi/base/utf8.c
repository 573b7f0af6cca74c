/* SPDX-License-Identifier: MIT */
#include "base/utf8.h"

/*
 * Unicode 15, table 3-7: what the lead byte says of the length and of the second byte. Only the second byte has a
 * narrower range than 80..BF (no overlong forms, no surrogates, nothing above U+10FFFF).
 */
static size_t lead_byte(uint8_t lead, uint8_t *low, uint8_t *high)
{
	*low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
	*high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
	if (lead < 0x80)
		return 1;
	if (lead < 0xc2 || lead > 0xf4)
		return 0;
	return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

/* Bytes at `s` that begin a well-formed sequence; *length is that of the whole sequence, 0 when none begins here. */
static size_t well_formed_prefix(const char *s, size_t left, size_t *length)
{
	uint8_t low, high;

	*length = left ? lead_byte((uint8_t)s[0], &low, &high) : 0;
	if (*length == 0)
		return 0;
	size_t n = 1;
	while (n < *length && n < left) {
		uint8_t byte = (uint8_t)s[n];
		if (byte < low || byte > high)
			break;
		low = 0x80;
		high = 0xbf;
		n++;
	}
	return n;
}

size_t utf8_sequence(const char *s, size_t left)
{
	size_t length;
	size_t prefix = well_formed_prefix(s, left, &length);

	return prefix == length ? length : 0;
}

size_t utf8_ill_formed(const char *s, size_t left)
{
	size_t length;
	size_t prefix = well_formed_prefix(s, left, &length);

	return prefix ? prefix : 1;
}

size_t utf8_encode(uint32_t code, char *out)
{
	size_t len = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};

	for (size_t i = len; i > 1; code >>= 6)
		out[--i] = (char)(0x80 | (code & 0x3f));
	out[0] = (char)(lead[len] | code);
	return len;
}

bool utf8_valid(const char *s, size_t bytes)
{
	size_t n;

	for (size_t i = 0; i < bytes; i += n) {
		n = utf8_sequence(s + i, bytes - i);
		if (n == 0)
			return false;
	}
	return true;
}

size_t utf8_length(const char *s, size_t bytes)
{
	size_t count = 0;

	for (size_t i = 0; i < bytes; i++)
		count += ((uint8_t)s[i] & 0xc0) != 0x80;
	return count;
}

bool utf8_has_control(const char *s, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		uint8_t c = (uint8_t)s[i];
		if (c < 0x20 || c == 0x7f)
			return true;
		/* U+0080-009F is C2 80 - C2 9F */
		if (c == 0xc2 && i + 1 < bytes && (uint8_t)s[i + 1] < 0xa0)
			return true;
	}
	return false;
}
