/* SPDX-License-Identifier: MIT */
#include "trace_store/set.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"

#include "trace_store/span.h"

void set_init(struct set *set, size_t limit, size_t max_bytes)
{
	*set = (struct set){.limit = limit && limit < SET_ITEMS_MAX ? limit : SET_ITEMS_MAX};
	buf_init(&set->text, max_bytes);
}

void set_done(struct set *set)
{
	free(set->items);
	buf_done(&set->text);
	table_done(&set->table);
}

struct slice set_item(const struct set *set, size_t index)
{
	const struct set_item *item = &set->items[index];

	return (struct slice){item->len ? set->text.data + item->at : "", item->len};
}

void set_add(struct set *set, struct slice text)
{
	uint64_t hash = table_hash(text, 0);
	size_t at = 0;
	uint32_t i;

	while (table_next(&set->table, hash, &at, &i))
		if (bytes_equal(set_item(set, i), text))
			return;
	if (set->count == set->limit || text.len > set->text.max - set->text.len) {
		set->full |= set->count == SET_ITEMS_MAX || set->count < set->limit;
		return;
	}
	set->items = array_grow(set->items, set->count, &set->room, sizeof(*set->items));
	set->items[set->count] = (struct set_item){set->text.len, text.len};
	buf_add(&set->text, text.data, text.len);
	if (set->text.failed)
		abort();
	table_add(&set->table, hash, (uint32_t)set->count++);
}

static int compare(const void *a, const void *b, void *text)
{
	const struct set_item *x = a, *y = b;
	size_t common = x->len < y->len ? x->len : y->len;
	int order = common ? memcmp((const char *)text + x->at, (const char *)text + y->at, common) : 0;

	return order ? order : (x->len > y->len) - (x->len < y->len);
}

void set_sort(struct set *set)
{
	if (set->count)
		qsort_r(set->items, set->count, sizeof(*set->items), compare, set->text.data);
}
