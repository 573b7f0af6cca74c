/* SPDX-License-Identifier: MIT */
#include "http/json_check.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/hex.h"

/* A NUL ends the text and matches nothing, so that no look ahead can pass the end. */
struct scan {
	const char *s;
	struct json_shape shape;
	size_t depth;
	uint8_t is_object[JSON_CHECK_MAX / 8 + 1]; /* one bit for each level */
};

static void skip_space(struct scan *scan)
{
	scan->s += strspn(scan->s, " \t\r\n");
}

static bool skip(struct scan *scan, char c)
{
	if (*scan->s != c)
		return false;
	scan->s++;
	return true;
}

static bool skip_digits(struct scan *scan)
{
	size_t digits = strspn(scan->s, "0123456789");
	scan->s += digits;
	return digits > 0;
}

static bool skip_number(struct scan *scan)
{
	skip(scan, '-');
	if (!skip(scan, '0') && !skip_digits(scan))
		return false;
	if (skip(scan, '.') && !skip_digits(scan))
		return false;
	if (*scan->s == 'e' || *scan->s == 'E') {
		scan->s++;
		scan->s += *scan->s == '+' || *scan->s == '-';
		return skip_digits(scan);
	}
	return true;
}

/* The four digits behind "\u"; -1: they are not. */
static int32_t unit_at(const char *s)
{
	int32_t unit = 0;

	for (int i = 0; i < 4; i++) {
		int digit = hex_digit(s[i]);
		if (digit < 0)
			return -1;
		unit = unit << 4 | digit;
	}
	return unit;
}

static bool skip_unit(struct scan *scan)
{
	int32_t unit = unit_at(scan->s);

	if (unit < 0)
		return false;
	scan->s += 4;
	if (unit == 0)
		scan->shape.escaped_nul = true;
	if (unit < 0xd800 || unit > 0xdfff)
		return true;
	int32_t low = unit < 0xdc00 && scan->s[0] == '\\' && scan->s[1] == 'u' ? unit_at(scan->s + 2) : -1;
	if (low >= 0xdc00 && low <= 0xdfff)
		scan->s += 6;
	else
		scan->shape.lone_surrogates = true;
	return true;
}

static bool skip_string(struct scan *scan)
{
	if (!skip(scan, '"'))
		return false;
	for (;;) {
		unsigned char c = (unsigned char)*scan->s;
		if (c < 0x20)
			return false;
		scan->s++;
		if (c == '"')
			return true;
		if (c != '\\')
			continue;
		if (skip(scan, 'u')) {
			if (!skip_unit(scan))
				return false;
		} else if (*scan->s && strchr("\"\\/bfnrt", *scan->s)) {
			scan->s++;
		} else {
			return false;
		}
	}
}

static bool skip_word(struct scan *scan, const char *word)
{
	size_t bytes = strlen(word);

	if (strncmp(scan->s, word, bytes) != 0)
		return false;
	scan->s += bytes;
	return true;
}

static bool skip_name(struct scan *scan)
{
	skip_space(scan);
	if (!skip_string(scan))
		return false;
	skip_space(scan);
	return skip(scan, ':');
}

static void open_level(struct scan *scan, bool is_object)
{
	uint8_t bit = (uint8_t)(1 << (scan->depth & 7)), *byte = &scan->is_object[scan->depth / 8];

	*byte = is_object ? *byte | bit : *byte & (uint8_t)~bit;
	scan->depth++;
	if (scan->depth > scan->shape.depth)
		scan->shape.depth = scan->depth;
}

static bool in_object(const struct scan *scan)
{
	size_t level = scan->depth - 1;
	return scan->is_object[level / 8] >> (level & 7) & 1;
}

/* A value without levels, or the start of one with them. *open: its first member or element is due. */
static bool start_value(struct scan *scan, bool *open)
{
	skip_space(scan);
	*open = false;
	switch (*scan->s) {
	case '{':
	case '[':
		open_level(scan, *scan->s == '{');
		scan->s++;
		skip_space(scan);
		if (skip(scan, in_object(scan) ? '}' : ']')) {
			scan->depth--;
			return true;
		}
		*open = true;
		return !in_object(scan) || skip_name(scan);
	case '"': return skip_string(scan);
	case 't': return skip_word(scan, "true");
	case 'f': return skip_word(scan, "false");
	case 'n': return skip_word(scan, "null");
	default: return skip_number(scan);
	}
}

/* Behind a value: closes what ends there. *more: another value is due. */
static bool end_value(struct scan *scan, bool *more)
{
	*more = false;
	for (;;) {
		skip_space(scan);
		if (scan->depth == 0)
			return true;
		if (skip(scan, ',')) {
			*more = true;
			return !in_object(scan) || skip_name(scan);
		}
		if (!skip(scan, in_object(scan) ? '}' : ']'))
			return false;
		scan->depth--;
	}
}

bool json_check(const char *text, size_t bytes, struct json_shape *out)
{
	struct scan scan = {.s = text};
	bool more;

	assert(bytes <= JSON_CHECK_MAX);
	do {
		if (!start_value(&scan, &more))
			return false;
		if (!more && !end_value(&scan, &more))
			return false;
	} while (more);
	if (scan.s != text + bytes)
		return false;
	*out = scan.shape;
	return true;
}
