/* SPDX-License-Identifier: MIT */
#include "base/grow.h"

#include <stdlib.h>

void *grown(void *items, size_t count, size_t *room, size_t size)
{
	if (count < *room)
		return items;
	*room = *room ? *room + *room / 2 : 16;
	items = realloc(items, *room * size);
	if (!items)
		abort();
	return items;
}
