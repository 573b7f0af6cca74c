/* SPDX-License-Identifier: MIT */
#include "gateway/json_scan.h"

#include <string.h>

#include "base/hex.h"
#include "base/utf8.h"

static void skip_space(struct json_scan *s)
{
	while (s->at < s->end && (*s->at == ' ' || *s->at == '\t'))
		s->at++;
}

static bool take(struct json_scan *s, char c)
{
	if (s->at < s->end && *s->at != c)
		skip_space(s); /* This is rare: nginx writes no space. */
	if (s->at == s->end || *s->at != c)
		return false;
	s->at++;
	return true;
}

/* Returns the value of four hexadecimal digits, -1 when something else is there. */
static int peek_unit(const struct json_scan *s, size_t offset)
{
	return (size_t)(s->end - s->at) < offset + 4 ? -1 : hex_unit(s->at + offset);
}

static bool is_high_surrogate(int unit)
{
	return unit >= 0xd800 && unit < 0xdc00;
}

static bool is_low_surrogate(int unit)
{
	return unit >= 0xdc00 && unit < 0xe000;
}

/* Reads the escape after its "\u". A lone surrogate, which has no UTF-8, becomes U+FFFD. */
static bool unescape_unicode(struct json_scan *s, char **out)
{
	int unit = peek_unit(s, 0);

	if (unit < 0)
		return false;
	s->at += 4;
	if (is_high_surrogate(unit) && s->end - s->at >= 6 && s->at[0] == '\\' && s->at[1] == 'u') {
		int low = peek_unit(s, 2);
		if (is_low_surrogate(low)) {
			unsigned code = 0x10000u + ((unsigned)(unit - 0xd800) << 10) + (unsigned)(low - 0xdc00);
			*out += utf8_encode(code, *out);
			s->at += 6;
			return true;
		}
	}
	bool lone = is_high_surrogate(unit) || is_low_surrogate(unit);
	*out += utf8_encode(lone ? 0xfffd : (unsigned)unit, *out);
	return true;
}

/* Reads an escape after its backslash. It is never shorter than the text that it stands for. */
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

/* Reads a string after its opening quote, with its closing quote. *end is the place for its NUL. */
static bool scan_string(struct json_scan *s, char **end)
{
	char *quote = memchr(s->at, '"', (size_t)(s->end - s->at));

	if (!quote)
		return false;
	char *backslash = memchr(s->at, '\\', (size_t)(quote - s->at));
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

/* Reads a number, true, false or null; which of them it is, the caller judges. */
static bool scan_bare(struct json_scan *s, char **end)
{
	char *start = s->at;

	while (s->at < s->end && is_bare(*s->at))
		s->at++;
	*end = s->at;
	return s->at > start;
}

void json_scan_init(struct json_scan *s, char *object, size_t len)
{
	*s = (struct json_scan){.at = object, .end = object + len};
}

static bool scan_member(struct json_scan *s, struct slice *name, struct slice *value)
{
	char *name_end, *value_end;

	if (!take(s, '"'))
		return false;
	char *name_start = s->at;
	if (!scan_string(s, &name_end) || !take(s, ':'))
		return false;
	bool quoted = take(s, '"');
	char *value_start = s->at;
	if (quoted ? !scan_string(s, &value_end) : !scan_bare(s, &value_end))
		return false;
	s->last = take(s, '}');
	if (!s->last && !take(s, ','))
		return false;
	*value_end = '\0'; /* At the latest that was the comma or brace just taken. */
	*name = (struct slice){name_start, (size_t)(name_end - name_start)};
	*value = (struct slice){value_start, (size_t)(value_end - value_start)};
	return true;
}

static bool at_end(struct json_scan *s)
{
	skip_space(s);
	return s->at == s->end;
}

enum json_scanned json_scan_next(struct json_scan *s, struct slice *name, struct slice *value)
{
	if (!s->started) {
		if (!take(s, '{'))
			return JSON_SCAN_BROKEN;
		s->started = true;
		s->last = take(s, '}');
	}
	if (s->last)
		return at_end(s) ? JSON_SCAN_END : JSON_SCAN_BROKEN;
	return scan_member(s, name, value) ? JSON_SCAN_MEMBER : JSON_SCAN_BROKEN;
}
