/* SPDX-License-Identifier: MIT */
#include "http/page.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "http/request.h"

#define CHECK_DIGITS 8

void page_cursor(int64_t id, char *out)
{
	uint32_t check = (uint32_t)hash_mix((uint64_t)id);

	snprintf(out, PAGE_CURSOR_SIZE, "%08" PRIx32 "%016" PRIx64, check, (uint64_t)id);
}

bool page_cursor_parse(const char *text, int64_t *id)
{
	char cursor[PAGE_CURSOR_SIZE];

	if (strlen(text) != PAGE_CURSOR_SIZE - 1)
		return false;
	int64_t value = (int64_t)strtoull(text + CHECK_DIGITS, NULL, 16);
	if (value < 1 || value > REQUEST_ID_MAX)
		return false;
	page_cursor(value, cursor);
	if (strcmp(text, cursor) != 0)
		return false;
	*id = value;
	return true;
}
