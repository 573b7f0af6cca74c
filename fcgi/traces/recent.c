#include "traces/recent.h"

#include <string.h>

#define GOLDEN UINT64_C(0x9e3779b97f4a7c15)

uint64_t recent_mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return (x ^ x >> 31) | 1;
}

uint64_t recent_hash(uint64_t seed, const void *data, size_t len)
{
	const unsigned char *at = data;
	uint64_t hash = recent_mix(seed ^ len * GOLDEN), word;

	for (; len >= sizeof(word); at += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		hash = (hash ^ word) * GOLDEN;
		hash ^= hash >> 29;
	}
	word = 0;
	if (len)
		memcpy(&word, at, len);
	return recent_mix(hash ^ word);
}

static size_t set_of(uint64_t key)
{
	return key >> 8 & (RECENT_SETS - 1);
}

bool recent_has(const struct recent *set, uint64_t key)
{
	const uint64_t *keys = set->keys[set_of(key)];

	for (unsigned i = 0; i < RECENT_WAYS; i++)
		if (keys[i] == key)
			return true;
	return false;
}

void recent_add(struct recent *set, uint64_t key)
{
	uint64_t *keys = set->keys[set_of(key)];

	memmove(keys + 1, keys, (RECENT_WAYS - 1) * sizeof(*keys));
	keys[0] = key;
}
