/* SPDX-License-Identifier: MIT */
#include "trace_store/hash_table.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"

#define SIZE_LEAST 64
#define SIZE_KEPT 1024

static uint64_t keys[2];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_keys(void)
{
	keys[0] = random_u64();
	keys[1] = random_u64() | 1;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	__extension__ typedef unsigned __int128 wide;
	wide product = (wide)(a ^ keys[0]) * (b ^ keys[1]);

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t hash_table_hash(struct slice bytes, uint64_t begin)
{
	pthread_once(&once, make_keys);
	uint64_t hash = mix(begin, bytes.len);

	while (bytes.len) {
		size_t len = bytes.len < 8 ? bytes.len : 8;
		uint64_t word = 0;

		memcpy(&word, bytes.data, len);
		hash = mix(hash, word);
		bytes = (struct slice){bytes.data + len, bytes.len - len};
	}
	return hash;
}

bool hash_table_next(const struct hash_table *table, uint64_t hash, size_t *at, uint32_t *item)
{
	while (table->size && *at < table->size) {
		const struct hash_table_slot *slot = &table->slots[(hash + (*at)++) & (table->size - 1)];
		if (!slot->item)
			return false;
		if (slot->hash == hash) {
			*item = slot->item - 1;
			return true;
		}
	}
	return false;
}

static void put(struct hash_table *table, struct hash_table_slot slot)
{
	size_t at = slot.hash & (table->size - 1);

	while (table->slots[at].item)
		at = (at + 1) & (table->size - 1);
	table->slots[at] = slot;
}

static void grow(struct hash_table *table)
{
	struct hash_table old = *table;

	table->size = old.size ? 2 * old.size : SIZE_LEAST;
	table->slots = calloc(table->size, sizeof(*table->slots));
	if (!table->slots)
		abort();
	for (size_t i = 0; i < old.size; i++)
		if (old.slots[i].item)
			put(table, old.slots[i]);
	free(old.slots);
}

void hash_table_add(struct hash_table *table, uint64_t hash, uint32_t item)
{
	if (2 * (table->count + 1) > table->size)
		grow(table);
	put(table, (struct hash_table_slot){hash, item + 1});
	table->count++;
}

void hash_table_clear(struct hash_table *table)
{
	if (table->size > SIZE_KEPT)
		hash_table_done(table);
	else if (table->count)
		memset(table->slots, 0, table->size * sizeof(*table->slots));
	table->count = 0;
}

void hash_table_done(struct hash_table *table)
{
	free(table->slots);
	*table = (struct hash_table){0};
}
