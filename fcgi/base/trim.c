/* SPDX-License-Identifier: MIT */
#include "base/trim.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct mapping {
	char *start, *end;
	bool read_only_file;
};

/* "7f…-7f… r-xp 0002a000 fd:01 1234 /usr/lib/…". False: not the first line of a mapping. */
static bool parse_mapping(const char *line, struct mapping *mapping)
{
	void *start, *end;
	char permissions[5];

	if (sscanf(line, "%p-%p %4s", &start, &end, permissions) != 3)
		return false;
	mapping->start = start;
	mapping->end = end;
	mapping->read_only_file = permissions[0] == 'r' && permissions[1] == '-' && strchr(line, '/');
	return true;
}

/* Pages that exist nowhere else: the loader writes pointers into what it makes read-only afterwards. */
static bool says_none_changed(const char *line)
{
	static const char field[] = "Anonymous:";
	return strncmp(line, field, strlen(field)) == 0 && strtoul(line + strlen(field), NULL, 10) == 0;
}

static void drop_file_pages(void)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	struct mapping mapping = {0};
	char line[512];

	if (!file)
		return;
	while (fgets(line, sizeof(line), file))
		if (!parse_mapping(line, &mapping) && mapping.read_only_file && says_none_changed(line))
			madvise(mapping.start, (size_t)(mapping.end - mapping.start), MADV_DONTNEED);
	fclose(file);
}

void trim_start_up(void)
{
	malloc_trim(0);
	drop_file_pages();
}
