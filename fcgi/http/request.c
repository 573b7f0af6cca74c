/* SPDX-License-Identifier: MIT */
#include "http/request.h"

#include <string.h>

#include "base/hex.h"

const char *request_param(const struct request *req, const char *name)
{
	/* Most differ within a few characters: strncmp takes longer to be called. */
	for (const char *const *param = req->params; param && *param; param++) {
		const char *p = *param, *n = name;
		while (*n && *p == *n)
			p++, n++;
		if (*n == '\0' && *p == '=')
			return p + 1;
	}
	return NULL;
}

bool request_id(const struct request *req, int64_t *id)
{
	const char *digits = req->match.segment[0];
	size_t bytes = req->match.segment_bytes[0];
	int64_t value = 0;

	/* One spelling each: "007" is not the name of 7. 16 digits hold 2^53 - 1 and cannot overflow. */
	if (req->match.segments == 0 || bytes == 0 || bytes > 16 || digits[0] == '0')
		return false;
	for (size_t i = 0; i < bytes; i++) {
		if (digits[i] < '0' || digits[i] > '9')
			return false;
		value = value * 10 + (digits[i] - '0');
	}
	if (value > REQUEST_ID_MAX)
		return false;
	*id = value;
	return true;
}

/* Decodes one character of an application/x-www-form-urlencoded text and advances; -1: a broken escape. */
static int next_decoded(const char **in)
{
	const char *s = *in;

	if (*s != '%') {
		*in = s + 1;
		return *s == '+' ? ' ' : (unsigned char)*s;
	}
	int high = hex_digit(s[1]), low = high < 0 ? -1 : hex_digit(s[2]);
	if (low < 0)
		return -1;
	*in = s + 3;
	return high << 4 | low;
}

static bool name_is(const char *in, const char *end, const char *name)
{
	while (in < end) {
		int c = next_decoded(&in);
		if (c <= 0 || c != (unsigned char)*name++)
			return false;
	}
	return *name == '\0';
}

int query_find(const char *query, const char *name, char *out, size_t size)
{
	while (*query) {
		const char *end = query + strcspn(query, "&");
		const char *name_end = memchr(query, '=', (size_t)(end - query));

		if (name_is(query, name_end ? name_end : end, name)) {
			const char *in = name_end ? name_end + 1 : end;
			size_t used = 0;

			while (in < end) {
				int c = next_decoded(&in);
				if (c <= 0 || used + 1 >= size)
					return -1;
				out[used++] = (char)c;
			}
			out[used] = '\0';
			return 1;
		}
		query = *end ? end + 1 : end;
	}
	return 0;
}

int request_query(const struct request *req, const char *name, char *out, size_t size)
{
	return query_find(req->query, name, out, size);
}

/* ---- cursors ---- */

/*
 * 18 hexadecimal digits: the id, scrambled so that nobody is tempted to count with it, and one byte that ties the
 * two together. Not a secret: a forged cursor only starts the list elsewhere.
 */
static const uint64_t CURSOR_MASK = 0x9e3779b97f4a7c15;

static uint8_t cursor_check(uint64_t value)
{
	value *= 0xff51afd7ed558ccd;
	return (uint8_t)(value >> 56);
}

void page_cursor(int64_t id, char *out)
{
	uint64_t value = (uint64_t)id ^ CURSOR_MASK;
	uint8_t bytes[9];

	for (int i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(value >> (8 * i));
	bytes[8] = cursor_check(value);
	hex_encode(bytes, sizeof(bytes), out);
	out[2 * sizeof(bytes)] = '\0';
}

bool page_cursor_parse(const char *text, int64_t *id)
{
	uint8_t bytes[9];
	uint64_t value = 0;

	if (strlen(text) != 2 * sizeof(bytes) || !hex_decode(text, sizeof(bytes), bytes))
		return false;
	for (int i = 0; i < 8; i++)
		value |= (uint64_t)bytes[i] << (8 * i);
	if (bytes[8] != cursor_check(value))
		return false;
	value ^= CURSOR_MASK;
	if (value == 0 || value > REQUEST_ID_MAX)
		return false;
	*id = (int64_t)value;
	return true;
}
