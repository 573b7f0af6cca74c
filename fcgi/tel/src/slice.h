/* SPDX-License-Identifier: MIT */
/* A piece of a text, and the lists that headers are made of. Internal to tel/. */
#ifndef TEL_SLICE_H
#define TEL_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
	const char *at; /* NULL: there is none */
	size_t bytes;
};

/* Takes the part of `rest` up to `separator`; false at the end. `rest->at` NULL is the end. */
static inline bool slice_take(struct slice *rest, char separator, struct slice *part)
{
	if (!rest->at)
		return false;
	const char *end = rest->bytes ? memchr(rest->at, separator, rest->bytes) : NULL;

	*part = (struct slice){rest->at, end ? (size_t)(end - rest->at) : rest->bytes};
	*rest = end ? (struct slice){end + 1, rest->bytes - part->bytes - 1} : (struct slice){NULL, 0};
	return true;
}

/* Without the spaces and tabs around it (RFC 9110: OWS). */
static inline struct slice slice_trim(struct slice s)
{
	while (s.bytes && (s.at[0] == ' ' || s.at[0] == '\t')) {
		s.at++;
		s.bytes--;
	}
	while (s.bytes && (s.at[s.bytes - 1] == ' ' || s.at[s.bytes - 1] == '\t'))
		s.bytes--;
	return s;
}

/* RFC 9110, section 5.6.2: the names of headers and of baggage. */
static inline bool slice_is_token(struct slice s)
{
	for (size_t i = 0; i < s.bytes; i++)
		if (s.at[i] <= ' ' || s.at[i] > '~' || strchr("\"(),/:;<=>?@[\\]{}", s.at[i]))
			return false;
	return s.bytes > 0;
}

static inline bool slice_take_trimmed(struct slice *rest, char separator, struct slice *part)
{
	bool taken = slice_take(rest, separator, part);

	if (taken)
		*part = slice_trim(*part);
	return taken;
}

#endif
