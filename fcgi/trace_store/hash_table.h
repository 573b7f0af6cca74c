/* SPDX-License-Identifier: MIT */
/* Finds things by a hash: numbers of the caller's items. Who knows what is asked cannot choose what collides. */
#ifndef APM_TRACE_STORE_HASH_TABLE_H
#define APM_TRACE_STORE_HASH_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/protobuf.h"

struct hash_table_slot {
	uint64_t hash;
	uint32_t item; /* + 1; 0: free */
};

/* Zeros are an empty one. One thread at a time. */
struct hash_table {
	struct hash_table_slot *slots;
	size_t size, count; /* size is a power of two */
};

/* Of bytes; `begin` is 0, or the hash of what stands before them. With a key of this process. Any thread. */
uint64_t hash_table_hash(struct slice bytes, uint64_t begin);

/* Goes through the items that were added with this hash: begin with *at = 0. False: there are no more. */
bool hash_table_next(const struct hash_table *table, uint64_t hash, size_t *at, uint32_t *item);

/* Aborts when memory is short. */
void hash_table_add(struct hash_table *table, uint64_t hash, uint32_t item);

/* Empties it; gives back what only a large one needed. */
void hash_table_clear(struct hash_table *table);
void hash_table_done(struct hash_table *table);

#endif
