/* SPDX-License-Identifier: MIT */
#include "trace_store/recent_set.h"

#include <string.h>

static size_t set_of(uint64_t key)
{
	return key >> 8 & (RECENT_SET_GROUPS - 1);
}

bool recent_set_has(const struct recent_set *set, uint64_t key)
{
	const uint64_t *keys = set->keys[set_of(key)];

	for (unsigned i = 0; i < RECENT_SET_WAYS; i++)
		if (keys[i] == key)
			return true;
	return false;
}

void recent_set_add(struct recent_set *set, uint64_t key)
{
	uint64_t *keys = set->keys[set_of(key)];

	memmove(keys + 1, keys, (RECENT_SET_WAYS - 1) * sizeof(*keys));
	keys[0] = key;
}
