/* SPDX-License-Identifier: MIT */
/*
 * Remembers the newest of many keys, in memory of fixed size: groups of four, in which a new key replaces the oldest.
 */
#ifndef APM_TRACE_STORE_RECENT_SET_H
#define APM_TRACE_STORE_RECENT_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECENT_SET_GROUPS 16384
#define RECENT_SET_WAYS 4 /* keys of a group, from new to old */

/* A set takes 512 KiB. Zeros are an empty set. One thread at a time. */
struct recent_set {
	uint64_t keys[RECENT_SET_GROUPS][RECENT_SET_WAYS]; /* each group from new to old */
};

/* The bits of `key` are well mixed, as those of hash_mix and hash_table_hash are, and it is not 0. */
bool recent_set_has(const struct recent_set *set, uint64_t key);
void recent_set_add(struct recent_set *set, uint64_t key);
#endif
