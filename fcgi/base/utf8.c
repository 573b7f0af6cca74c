/* SPDX-License-Identifier: MIT */
#include "base/utf8.h"

/*
 * Returns the length of the sequence that a lead byte begins, 0 when it begins none, and the range of its second byte
 * (Unicode 15, table 3-7). Only the second byte may have a narrower range than 80..BF, which excludes overlong forms,
 * surrogates and all above U+10FFFF.
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

/* Returns how many bytes at `s` begin a well-formed sequence, whose length is *whole, 0 when none begins here. */
static size_t well_formed_prefix(const char *s, size_t left, size_t *whole)
{
	uint8_t low, high;

	*whole = left ? lead_byte((uint8_t)s[0], &low, &high) : 0;
	if (*whole == 0)
		return 0;
	size_t n = 1;
	while (n < *whole && n < left) {
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
	size_t whole;
	size_t prefix = well_formed_prefix(s, left, &whole);

	return prefix == whole ? whole : 0;
}

size_t utf8_ill_formed(const char *s, size_t left)
{
	size_t whole;
	size_t prefix = well_formed_prefix(s, left, &whole);

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

bool utf8_valid(const char *s, size_t len)
{
	size_t n;

	for (size_t i = 0; i < len; i += n) {
		n = utf8_sequence(s + i, len - i);
		if (n == 0)
			return false;
	}
	return true;
}

size_t utf8_length(const char *s, size_t len)
{
	size_t count = 0;

	for (size_t i = 0; i < len; i++)
		count += ((uint8_t)s[i] & 0xc0) != 0x80;
	return count;
}

bool utf8_has_control(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		uint8_t c = (uint8_t)s[i];
		if (c < 0x20 || c == 0x7f)
			return true;
		/* U+0080-009F is C2 80 - C2 9F */
		if (c == 0xc2 && i + 1 < len && (uint8_t)s[i + 1] < 0xa0)
			return true;
	}
	return false;
}
