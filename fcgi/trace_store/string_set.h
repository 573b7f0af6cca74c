/* SPDX-License-Identifier: MIT */
/* A set of strings: the names or values that a query for tags finds. */
#ifndef APM_TRACE_STORE_STRING_SET_H
#define APM_TRACE_STORE_STRING_SET_H

#include <stdbool.h>

#include "base/buf.h"
#include "trace_store/hash_table.h"

#define STRING_SET_ITEMS_MAX 50000
#define STRING_SET_BYTES_MAX (2 << 20) /* of all sets of a query; in JSON it is at most six times as much */

struct string_set_item {
	size_t at, len; /* in `text` */
};

/* One thread at a time. */
struct string_set {
	struct string_set_item *items;
	size_t count, room;
	size_t limit; /* more items are left out, as the query wants */
	bool full;    /* STRING_SET_ITEMS_MAX or the bytes left some out */
	struct buf text;
	struct hash_table table;
};

/* `limit` is the most items, 0 for STRING_SET_ITEMS_MAX; `max_bytes` is the most bytes of them all. */
void string_set_init(struct string_set *set, size_t limit, size_t max_bytes);
void string_set_done(struct string_set *set);

/* Adds a copy, unless it is in the set or the set is full. */
void string_set_add(struct string_set *set, struct slice text);

struct slice string_set_item(const struct string_set *set, size_t index);

/* Sorts the items by their bytes. Nothing may be added afterwards. */
void string_set_sort(struct string_set *set);

#endif
