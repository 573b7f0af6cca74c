/* SPDX-License-Identifier: MIT */
/* A set of the newest of many things, by 64 bits that stand for each. Of fixed size: what comes pushes out what came.
 */
#ifndef APM_TRACE_STORE_RECENT_SET_H
#define APM_TRACE_STORE_RECENT_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECENT_SET_GROUPS 16384
#define RECENT_SET_WAYS 4 /* the newest of each set are known */

/* 512 KiB, empty when it is zero. Not thread-safe: lock it. */
struct recent_set {
	uint64_t keys[RECENT_SET_GROUPS][RECENT_SET_WAYS]; /* the newest first */
};

/* `key` has well mixed bits, as hash_mix and hash_table_hash make them, and is not 0. */
bool recent_set_has(const struct recent_set *set, uint64_t key);
void recent_set_add(struct recent_set *set, uint64_t key);
#endif
