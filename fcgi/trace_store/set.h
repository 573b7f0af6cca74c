/* SPDX-License-Identifier: MIT */
/* A set of texts: the names and values that a question about tags finds. */
#ifndef APM_TRACE_STORE_SET_H
#define APM_TRACE_STORE_SET_H

#include <stdbool.h>

#include "base/buf.h"
#include "trace_store/table.h"

#define SET_ITEMS_MAX 50000
#define SET_BYTES_MAX (2 << 20) /* of all sets of a question: as JSON it is six times as much at most */

struct set_item {
	size_t at, len; /* in `text` */
};

/* One thread at a time. */
struct set {
	struct set_item *items;
	size_t count, room;
	size_t limit; /* items that are wanted; more are left out */
	bool full;    /* SET_ITEMS_MAX or the bytes left some out */
	struct buf text;
	struct table table;
};

/* `limit` items, 0: all; `max_bytes` of all of them. */
void set_init(struct set *set, size_t limit, size_t max_bytes);
void set_done(struct set *set);

/* Adds a copy, unless it is there or the set is full. */
void set_add(struct set *set, struct slice text);

struct slice set_item(const struct set *set, size_t index);

/* By the value of their bytes. Nothing may be added afterwards. */
void set_sort(struct set *set);

#endif
