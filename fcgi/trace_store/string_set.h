/* SPDX-License-Identifier: MIT */
/* A set of texts: the names and values that a question about tags finds. */
#ifndef APM_TRACE_STORE_STRING_SET_H
#define APM_TRACE_STORE_STRING_SET_H

#include <stdbool.h>

#include "base/buf.h"
#include "trace_store/hash_table.h"

#define STRING_SET_ITEMS_MAX 50000
#define STRING_SET_BYTES_MAX (2 << 20) /* of all sets of a question: as JSON it is six times as much at most */

struct string_set_item {
	size_t at, len; /* in `text` */
};

/* One thread at a time. */
struct string_set {
	struct string_set_item *items;
	size_t count, room;
	size_t limit; /* items that are wanted; more are left out */
	bool full;    /* STRING_SET_ITEMS_MAX or the bytes left some out */
	struct buf text;
	struct hash_table table;
};

/* `limit` items, 0: all; `max_bytes` of all of them. */
void string_set_init(struct string_set *set, size_t limit, size_t max_bytes);
void string_set_done(struct string_set *set);

/* Adds a copy, unless it is there or the set is full. */
void string_set_add(struct string_set *set, struct slice text);

struct slice string_set_item(const struct string_set *set, size_t index);

/* By the value of their bytes. Nothing may be added afterwards. */
void string_set_sort(struct string_set *set);

#endif
