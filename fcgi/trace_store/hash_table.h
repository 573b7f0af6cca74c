/* SPDX-License-Identifier: MIT */
/* Finds numbers of the caller's items by a hash. The hash has a key, so a client cannot choose ids that collide. */
#ifndef APM_TRACE_STORE_HASH_TABLE_H
#define APM_TRACE_STORE_HASH_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/protobuf.h"

struct hash_table_slot {
	uint64_t hash;
	uint32_t item; /* the caller's number + 1; 0 if the slot is free */
};

/* Zeros are an empty table. One thread at a time. */
struct hash_table {
	struct hash_table_slot *slots;
	size_t size, count; /* size is a power of two */
};

/*
 * Returns the hash of `bytes` by this process's random key. `begin` is 0, or the hash of the bytes before them. Any
 * thread.
 */
uint64_t hash_table_hash(struct slice bytes, uint64_t begin);

/* Finds the next item that was added with this hash; start with *at = 0. Returns false if there are no more. */
bool hash_table_next(const struct hash_table *table, uint64_t hash, size_t *at, uint32_t *item);

/* Aborts if there is no memory. */
void hash_table_add(struct hash_table *table, uint64_t hash, uint32_t item);

/* Empties the table, and frees the memory of a large one. */
void hash_table_clear(struct hash_table *table);
void hash_table_done(struct hash_table *table);

#endif
