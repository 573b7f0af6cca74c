#include "traces/texts.h"

#include <stdlib.h>
#include <string.h>

#include "traces/span.h"

struct texts *texts_new(void)
{
	struct texts *set = malloc(sizeof(*set));

	if (!set)
		abort();
	set->count = set->used = 0;
	return set;
}

void texts_free(struct texts *set)
{
	free(set);
}

void texts_add(struct texts *set, struct bytes text)
{
	for (size_t i = 0; i < set->count; i++)
		if (bytes_equal(set->items[i], text))
			return;
	if (set->count == TEXTS_MAX || text.len > sizeof(set->bytes) - set->used)
		return;
	char *copy = set->bytes + set->used;
	if (text.len)
		memcpy(copy, text.data, text.len);
	set->used += text.len;
	set->items[set->count++] = (struct bytes){copy, text.len};
}

static int compare(const void *a, const void *b)
{
	const struct bytes *x = a, *y = b;
	size_t common = x->len < y->len ? x->len : y->len;
	int order = memcmp(x->data, y->data, common);

	return order ? order : (x->len > y->len) - (x->len < y->len);
}

void texts_sort(struct texts *set)
{
	qsort(set->items, set->count, sizeof(*set->items), compare);
}
