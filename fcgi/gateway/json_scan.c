/* SPDX-License-Identifier: MIT */
#include "gateway/json_scan.h"

#include <string.h>

#include "base/hex.h"

static void skip_space(struct json_scan *s)
{
	while (s->at < s->end && (*s->at == ' ' || *s->at == '\t'))
		s->at++;
}

static bool take(struct json_scan *s, char c)
{
	if (s->at < s->end && *s->at != c)
		skip_space(s); /* nginx writes none */
	if (s->at == s->end || *s->at != c)
		return false;
	s->at++;
	return true;
}

/* Four hexadecimal digits; -1: not that. */
static int hex4(const char *s, const char *end)
{
	int value = 0;

	if (end - s < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		int digit = hex_digit(s[i]);
		if (digit < 0)
			return -1;
		value = value << 4 | digit;
	}
	return value;
}

static char *put_utf8(char *out, unsigned code)
{
	if (code < 0x80) {
		*out++ = (char)code;
		return out;
	}
	if (code < 0x800) {
		*out++ = (char)(0xc0 | code >> 6);
	} else {
		if (code < 0x10000) {
			*out++ = (char)(0xe0 | code >> 12);
		} else {
			*out++ = (char)(0xf0 | code >> 18);
			*out++ = (char)(0x80 | (code >> 12 & 0x3f));
		}
		*out++ = (char)(0x80 | (code >> 6 & 0x3f));
	}
	*out++ = (char)(0x80 | (code & 0x3f));
	return out;
}

static bool is_high_surrogate(int unit)
{
	return unit >= 0xd800 && unit < 0xdc00;
}

static bool is_low_surrogate(int unit)
{
	return unit >= 0xdc00 && unit < 0xe000;
}

/* What follows "\u". A lone surrogate, which has no UTF-8, becomes U+FFFD. */
static bool unescape_unicode(struct json_scan *s, char **out)
{
	int unit = hex4(s->at, s->end);

	if (unit < 0)
		return false;
	s->at += 4;
	if (is_high_surrogate(unit) && s->end - s->at >= 6 && s->at[0] == '\\' && s->at[1] == 'u') {
		int low = hex4(s->at + 2, s->end);
		if (is_low_surrogate(low)) {
			*out = put_utf8(*out, 0x10000u + ((unsigned)(unit - 0xd800) << 10) + (unsigned)(low - 0xdc00));
			s->at += 6;
			return true;
		}
	}
	bool lone = is_high_surrogate(unit) || is_low_surrogate(unit);
	*out = put_utf8(*out, lone ? 0xfffd : (unsigned)unit);
	return true;
}

/* The escape at s->at, behind its backslash. What is written is never longer than what was read. */
static bool unescape_one(struct json_scan *s, char **out)
{
	static const char escapes[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";

	if (s->at == s->end)
		return false;
	const char *escape = memchr(escapes, *s->at, sizeof(escapes) - 1);
	if (escape) {
		*(*out)++ = meanings[escape - escapes];
		s->at++;
		return true;
	}
	if (*s->at != 'u')
		return false;
	s->at++;
	return unescape_unicode(s, out);
}

/* A string, its opening quote behind us; leaves its closing quote behind, too. *end is where its NUL belongs. */
static bool scan_string(struct json_scan *s, char **end)
{
	char *quote = memchr(s->at, '"', (size_t)(s->end - s->at));

	if (!quote)
		return false;
	char *backslash = s->escapes ? memchr(s->at, '\\', (size_t)(quote - s->at)) : NULL;
	if (!backslash) {
		*end = quote;
		s->at = quote + 1;
		return true;
	}
	char *out = backslash;
	s->at = backslash;
	while (s->at < s->end && *s->at != '"') {
		if (*s->at != '\\') {
			*out++ = *s->at++;
			continue;
		}
		s->at++;
		if (!unescape_one(s, &out))
			return false;
	}
	*end = out;
	return take(s, '"');
}

static bool is_bare(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' || c == '+' || c == '.' || c == 'E';
}

/* A number, true, false or null; which one is for the reader to judge. */
static bool scan_bare(struct json_scan *s, char **end)
{
	char *start = s->at;

	while (s->at < s->end && is_bare(*s->at))
		s->at++;
	*end = s->at;
	return s->at > start;
}

void json_scan_init(struct json_scan *s, char *object, size_t bytes)
{
	*s = (struct json_scan){.at = object, .end = object + bytes, .escapes = memchr(object, '\\', bytes) != NULL};
}

static bool scan_member(struct json_scan *s, struct slice *key, struct slice *value)
{
	char *key_end, *value_end;

	if (!take(s, '"'))
		return false;
	char *key_start = s->at;
	if (!scan_string(s, &key_end) || !take(s, ':'))
		return false;
	bool quoted = take(s, '"');
	char *value_start = s->at;
	if (quoted ? !scan_string(s, &value_end) : !scan_bare(s, &value_end))
		return false;
	s->last = take(s, '}');
	if (!s->last && !take(s, ','))
		return false;
	*value_end = '\0'; /* at the latest the comma or brace just taken */
	*key = (struct slice){key_start, (size_t)(key_end - key_start)};
	*value = (struct slice){value_start, (size_t)(value_end - value_start)};
	return true;
}

static bool at_end(struct json_scan *s)
{
	skip_space(s);
	return s->at == s->end;
}

enum json_scanned json_scan_next(struct json_scan *s, struct slice *key, struct slice *value)
{
	if (!s->started) {
		if (!take(s, '{'))
			return JSON_SCAN_BROKEN;
		s->started = true;
		s->last = take(s, '}');
	}
	if (s->last)
		return at_end(s) ? JSON_SCAN_END : JSON_SCAN_BROKEN;
	return scan_member(s, key, value) ? JSON_SCAN_MEMBER : JSON_SCAN_BROKEN;
}

bool json_scan_expect(struct json_scan *s, const struct slice *key, struct slice *value)
{
	char *start = s->at + key->len;

	if (!s->started || s->last || s->escapes || (size_t)(s->end - s->at) <= key->len ||
	    memcmp(s->at, key->data, key->len) != 0)
		return false;
	bool quoted = *start == '"';
	struct json_scan rest = {.at = start + quoted, .end = s->end};
	char *value_end;
	if (quoted ? !scan_string(&rest, &value_end) : !scan_bare(&rest, &value_end))
		return false;
	if (rest.at == s->end || (*rest.at != ',' && *rest.at != '}'))
		return false;
	s->last = *rest.at == '}';
	s->at = rest.at + 1;
	*value_end = '\0'; /* at the latest the comma or brace just taken */
	*value = (struct slice){start + quoted, (size_t)(value_end - start - quoted)};
	return true;
}
