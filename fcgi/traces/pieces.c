#include "traces/pieces.h"

#include <stdlib.h>
#include <string.h>

#include "traces/schema.h"
#include "traces/span.h"

struct found {
	uint8_t trace_id[16];
	size_t source, order;
	struct bytes whole;
};

struct found_list {
	struct found *items;
	size_t count, capacity;
};

/* ---- finding the spans ---- */

static void *grown(void *items, size_t *capacity, size_t size)
{
	*capacity = *capacity ? 2 * *capacity : 64;
	items = realloc(items, *capacity * size);
	if (!items)
		abort();
	return items;
}

static void find_spans(struct pieces *p, struct found_list *list, struct bytes scope_spans)
{
	struct wire w = {.left = scope_spans};
	struct wire_field field;
	struct span_summary span;

	while (wire_next(&w, &field)) {
		if (field.number != SCOPE_SPANS_SPANS)
			continue;
		size_t order = p->spans++;
		if (!span_read(field.bytes, &span)) {
			p->spans_invalid++;
			continue;
		}
		if (list->count == list->capacity)
			list->items = grown(list->items, &list->capacity, sizeof(*list->items));
		struct found *found = &list->items[list->count++];
		*found = (struct found){.source = p->source_count - 1, .order = order, .whole = field.whole};
		memcpy(found->trace_id, span.trace_id, sizeof(found->trace_id));
	}
}

/* Copies a message without its fields of one number. */
static void copy_without(struct buf *out, struct bytes message, uint32_t number)
{
	struct wire w = {.left = message};
	struct wire_field field;

	while (wire_next(&w, &field))
		if (field.number != number)
			buf_add(out, field.whole.data, field.whole.len);
}

static void find_in_scope(struct pieces *p, struct found_list *list, struct bytes resource_spans,
			  struct bytes scope_spans, size_t *source_capacity)
{
	if (p->source_count == *source_capacity)
		p->sources = grown(p->sources, source_capacity, sizeof(*p->sources));
	struct pieces_source *source = &p->sources[p->source_count++];
	source->resource_at = p->text.len;
	copy_without(&p->text, resource_spans, RESOURCE_SPANS_SCOPE_SPANS);
	source->resource_len = p->text.len - source->resource_at;
	source->scope_at = p->text.len;
	copy_without(&p->text, scope_spans, SCOPE_SPANS_SPANS);
	source->scope_len = p->text.len - source->scope_at;
	find_spans(p, list, scope_spans);
}

static void find_all(struct pieces *p, struct found_list *list, struct bytes request)
{
	struct wire outer = {.left = request};
	struct wire_field resource_spans, scope_spans;
	size_t source_capacity = 0;

	while (wire_next(&outer, &resource_spans)) {
		struct wire inner = {.left = resource_spans.bytes};
		if (resource_spans.number != REQUEST_RESOURCE_SPANS)
			continue;
		while (wire_next(&inner, &scope_spans) && !p->text.failed)
			if (scope_spans.number == RESOURCE_SPANS_SCOPE_SPANS)
				find_in_scope(p, list, resource_spans.bytes, scope_spans.bytes, &source_capacity);
	}
}

/* ---- grouping them ---- */

static int compare(const void *a, const void *b)
{
	const struct found *x = a, *y = b;
	int order = memcmp(x->trace_id, y->trace_id, sizeof(x->trace_id));

	if (order)
		return order;
	return (x->order > y->order) - (x->order < y->order); /* sources are in this order too */
}

static void add_piece(struct pieces *p, const struct found *found)
{
	bool is_new = p->count == 0 || p->pieces[p->count - 1].source != found->source ||
		      memcmp(p->pieces[p->count - 1].trace_id, found->trace_id, sizeof(found->trace_id)) != 0;
	struct piece *piece = &p->pieces[is_new ? p->count++ : p->count - 1];

	if (is_new) {
		*piece = (struct piece){.source = found->source, .at = p->data.len};
		memcpy(piece->trace_id, found->trace_id, sizeof(piece->trace_id));
	}
	buf_add(&p->data, found->whole.data, found->whole.len);
	piece->len += found->whole.len;
}

static void group(struct pieces *p, const struct found_list *list, pieces_keep *keep)
{
	for (size_t begin = 0, end; begin < list->count; begin = end) {
		const uint8_t *id = list->items[begin].trace_id;
		for (end = begin + 1; end < list->count && memcmp(id, list->items[end].trace_id, 16) == 0;)
			end++;
		if (keep && !keep(id, end - begin)) {
			memcpy(p->refused[p->refused_count++], id, 16);
			p->spans_refused += end - begin;
			continue;
		}
		for (size_t i = begin; i < end; i++)
			add_piece(p, &list->items[i]);
	}
}

enum pieces_result pieces_read(struct pieces *p, struct bytes request, pieces_keep *keep)
{
	struct found_list list = {0};

	*p = (struct pieces){0};
	buf_init(&p->text, PIECES_BYTES_MAX);
	buf_init(&p->data, PIECES_BYTES_MAX);
	if (request.len > PIECES_BYTES_MAX)
		return PIECES_TOO_LARGE;
	if (!schema_valid(&schema_request, request))
		return PIECES_MALFORMED;
	find_all(p, &list, request);
	if (list.count && !p->text.failed) {
		p->pieces = calloc(list.count, sizeof(*p->pieces));
		p->refused = calloc(list.count, sizeof(*p->refused));
		if (!p->pieces || !p->refused)
			abort();
		qsort(list.items, list.count, sizeof(*list.items), compare);
		group(p, &list, keep);
	}
	free(list.items);
	return p->text.failed || p->data.failed ? PIECES_TOO_LARGE : PIECES_OK;
}

void pieces_done(struct pieces *p)
{
	free(p->sources);
	free(p->pieces);
	free(p->refused);
	buf_done(&p->text);
	buf_done(&p->data);
	*p = (struct pieces){0};
}
