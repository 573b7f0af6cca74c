/* SPDX-License-Identifier: MIT */
#include "http/request.h"

#include <string.h>

#include "base/hex.h"
#include "http/json_body.h"

void request_done(struct request *req)
{
	json_body_free(req->json);
	req->json = NULL;
}

const char *request_param(const struct request *req, const char *name)
{
	/* Most names differ within a few characters: to call strncmp would take longer. */
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
	size_t len = req->match.segment_len[0];
	int64_t value = 0;

	/* An id has one spelling: "007" is not 7. 16 digits hold 2^53 - 1 and cannot overflow. */
	if (req->match.segments == 0 || len == 0 || len > 16 || digits[0] == '0')
		return false;
	for (size_t i = 0; i < len; i++) {
		if (digits[i] < '0' || digits[i] > '9')
			return false;
		value = value * 10 + (digits[i] - '0');
	}
	if (value > REQUEST_ID_MAX)
		return false;
	*id = value;
	return true;
}

/* Decodes one character of an application/x-www-form-urlencoded text and advances. Returns -1 for a broken escape. */
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
