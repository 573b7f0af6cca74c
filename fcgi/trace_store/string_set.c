/* SPDX-License-Identifier: MIT */
#include "trace_store/string_set.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"

#include "trace_store/span_summary.h"

void string_set_init(struct string_set *set, size_t limit, size_t max_bytes)
{
	*set = (struct string_set){.limit = limit && limit < STRING_SET_ITEMS_MAX ? limit : STRING_SET_ITEMS_MAX};
	buf_init(&set->text, max_bytes);
}

void string_set_done(struct string_set *set)
{
	free(set->items);
	buf_done(&set->text);
	hash_table_done(&set->table);
}

struct slice string_set_item(const struct string_set *set, size_t index)
{
	const struct string_set_item *item = &set->items[index];

	return (struct slice){item->len ? set->text.data + item->at : "", item->len};
}

void string_set_add(struct string_set *set, struct slice text)
{
	uint64_t hash = hash_table_hash(text, 0);
	size_t at = 0;
	uint32_t i;

	while (hash_table_next(&set->table, hash, &at, &i))
		if (slice_equal(string_set_item(set, i), text))
			return;
	if (set->count == set->limit || text.len > set->text.max - set->text.len) {
		set->full |= set->count == STRING_SET_ITEMS_MAX || set->count < set->limit;
		return;
	}
	set->items = array_grow(set->items, set->count, &set->room, sizeof(*set->items));
	set->items[set->count] = (struct string_set_item){set->text.len, text.len};
	buf_add(&set->text, text.data, text.len);
	if (set->text.failed)
		abort();
	hash_table_add(&set->table, hash, (uint32_t)set->count++);
}

static int compare(const void *a, const void *b, void *text)
{
	const struct string_set_item *x = a, *y = b;
	size_t common = x->len < y->len ? x->len : y->len;
	int order = common ? memcmp((const char *)text + x->at, (const char *)text + y->at, common) : 0;

	return order ? order : (x->len > y->len) - (x->len < y->len);
}

void string_set_sort(struct string_set *set)
{
	if (set->count)
		qsort_r(set->items, set->count, sizeof(*set->items), compare, set->text.data);
}
