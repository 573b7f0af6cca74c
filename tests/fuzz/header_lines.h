/* SPDX-License-Identifier: MIT */
/* For fuzz targets whose input is the lines of one header that came several times. */
#ifndef APM_TESTS_HEADER_LINES_H
#define APM_TESTS_HEADER_LINES_H

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tel/src/context.h"

/* A NUL-terminated copy; free it. */
static inline char *copy_text(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	assert(text);
	memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

/* Offers each line of `text` as a header `name`, then a valid traceparent. */
static inline void offer_lines(struct tel_parent *parent, const char *name, const char *text)
{
	char *lines = strdup(text), *rest = lines, *line;

	assert(lines);
	tel_parent_init(parent);
	while ((line = strsep(&rest, "\n")))
		tel_parent_header(parent, name, line);
	tel_parent_header(parent, "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
	tel_parent_end(parent);
	assert(const_parent_of(parent)->valid);
	free(lines);
}

/*
 * The list that the lines are: members trimmed and joined by commas, empty ones left out, those longer than `longest`
 * too. Returns the number of members that are not empty. `list` has strlen(text) + 1 bytes.
 */
static inline size_t join_members(const char *text, size_t longest, char *list)
{
	char *copy = strdup(text), *rest = copy, *member;
	size_t count = 0;

	assert(copy);
	list[0] = '\0';
	while ((member = strsep(&rest, ",\n"))) {
		member += strspn(member, " \t");
		size_t bytes = strlen(member);
		while (bytes && strchr(" \t", member[bytes - 1]))
			member[--bytes] = '\0';
		count += bytes > 0;
		if (bytes == 0 || bytes > longest)
			continue;
		if (list[0])
			strcat(list, ",");
		strcat(list, member);
	}
	free(copy);
	return count;
}

#endif
