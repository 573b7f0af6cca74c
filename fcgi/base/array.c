/* SPDX-License-Identifier: MIT */
#include "base/array.h"

#include <stdlib.h>

void *array_grow(void *items, size_t count, size_t *room, size_t size)
{
	if (count < *room)
		return items;
	*room = *room ? *room + *room / 2 : 16;
	items = realloc(items, *room * size);
	if (!items)
		abort();
	return items;
}
