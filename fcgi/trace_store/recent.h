/* SPDX-License-Identifier: MIT */
/* A set of the newest of many things, by 64 bits that stand for each. Of fixed size: what comes pushes out what came.
 */
#ifndef APM_TRACE_STORE_RECENT_H
#define APM_TRACE_STORE_RECENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECENT_SETS 16384
#define RECENT_WAYS 4 /* the newest of each set are known */

/* 512 KiB, empty when it is zero. Not thread-safe: lock it. */
struct recent {
	uint64_t keys[RECENT_SETS][RECENT_WAYS]; /* the newest first */
};

/* `key` has well mixed bits, as hash_mix and table_hash make them, and is not 0. */
bool recent_has(const struct recent *set, uint64_t key);
void recent_add(struct recent *set, uint64_t key);
#endif
