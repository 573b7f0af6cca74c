/* SPDX-License-Identifier: MIT */
#include "http/idempotency_key.h"

#include <stdint.h>
#include <string.h>

#define MALFORMED SIZE_MAX

/* Copies the characters of an sf-string after its opening quote; returns how many, or MALFORMED. */
static size_t copy_quoted(const char *in, char *out, size_t max)
{
	size_t len = 0;

	for (; *in != '"'; in++) {
		if (*in == '\\') {
			in++;
			if (*in != '"' && *in != '\\')
				return MALFORMED;
		}
		if (*in < ' ' || *in > '~' || len == max)
			return MALFORMED;
		out[len++] = *in;
	}
	return in[1] == '\0' ? len : MALFORMED;
}

/* The same for a key without quotes. A comma is where a proxy has joined two headers. */
static size_t copy_bare(const char *in, char *out, size_t max)
{
	size_t len = 0;

	for (; *in; in++) {
		if (*in <= ' ' || *in > '~' || strchr(",\"\\", *in) || len == max)
			return MALFORMED;
		out[len++] = *in;
	}
	return len;
}

bool idempotency_key_parse(const char *header, char *out, size_t size, size_t *len)
{
	size_t copied = 0;

	if (header) {
		copied = *header == '"' ? copy_quoted(header + 1, out, size - 1) : copy_bare(header, out, size - 1);
		if (copied == 0 || copied == MALFORMED)
			return false;
	}
	out[copied] = '\0';
	*len = copied;
	return true;
}
