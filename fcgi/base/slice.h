/* SPDX-License-Identifier: MIT */
/* Pieces of a text, and the lists that headers are made of. */
#ifndef APM_BASE_SLICE_H
#define APM_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
	const char *data; /* NULL: there is no text, which is not the same as an empty one */
	size_t len;
};

/* Returns the bytes of a NUL-terminated text. */
static inline struct slice slice_of(const char *text)
{
	return (struct slice){text, strlen(text)};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Takes the part of `rest` up to `separator`. Returns false at the end, where `rest->data` is NULL. */
static inline bool slice_take(struct slice *rest, char separator, struct slice *part)
{
	if (!rest->data)
		return false;
	const char *end = rest->len ? memchr(rest->data, separator, rest->len) : NULL;

	*part = (struct slice){rest->data, end ? (size_t)(end - rest->data) : rest->len};
	*rest = end ? (struct slice){end + 1, rest->len - part->len - 1} : (struct slice){NULL, 0};
	return true;
}

/* Returns the slice without the spaces and tabs around it (OWS in RFC 9110). */
static inline struct slice slice_trim(struct slice s)
{
	while (s.len && (s.data[0] == ' ' || s.data[0] == '\t')) {
		s.data++;
		s.len--;
	}
	while (s.len && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* Returns true for a token of RFC 9110, section 5.6.2, as names of headers and of baggage are. */
static inline bool slice_is_token(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] <= ' ' || s.data[i] > '~' || strchr("\"(),/:;<=>?@[\\]{}", s.data[i]))
			return false;
	return s.len > 0;
}

/* The same as slice_take, and trims the part. */
static inline bool slice_take_trimmed(struct slice *rest, char separator, struct slice *part)
{
	bool taken = slice_take(rest, separator, part);

	if (taken)
		*part = slice_trim(*part);
	return taken;
}

#endif
