/* SPDX-License-Identifier: MIT */
#include "span_attrs.h"

#include <stdio.h>
#include <string.h>

void span_attrs_enable(void)
{
	span_configure(true, &(struct sampler){0}, NULL);
}

struct tel_span sampled_span(uint8_t fill)
{
	struct tel_span storage = {0};
	struct span *span = span_of(&storage);

	span->recording = true;
	span->flags = TEL_SAMPLED;
	memset(span->trace_id, fill, sizeof(span->trace_id));
	memset(span->span_id, fill, sizeof(span->span_id));
	return storage;
}

/* Returns the entry at `*at` and moves on; NULL at the end. */
static const struct span_entry *next_entry(const struct span *span, size_t *at)
{
	if (*at >= span->used)
		return NULL;
	const struct span_entry *entry = (const struct span_entry *)(span->data + *at);
	*at += span_entry_size(entry);
	return entry;
}

const struct span_entry *span_entry_find(const struct span *span, enum span_entry_kind kind, const char *key)
{
	const struct span_entry *entry, *found = NULL;

	for (size_t at = 0; (entry = next_entry(span, &at));)
		if (entry->kind == kind && (!key || strcmp(entry->key, key) == 0))
			found = entry;
	return found;
}

bool span_links(const struct span *span, const uint8_t ids[SPAN_LINK_BYTES])
{
	const struct span_entry *entry;

	for (size_t at = 0; (entry = next_entry(span, &at));)
		if (entry->kind == SPAN_LINK && memcmp(span_entry_bytes(entry), ids, SPAN_LINK_BYTES) == 0)
			return true;
	return false;
}

static const char *text_of(const struct span_entry *entry, char text[SPAN_DATA_BYTES + 1])
{
	snprintf(text, SPAN_DATA_BYTES + 1, "%.*s", (int)entry->bytes, (const char *)span_entry_bytes(entry));
	return text;
}

const char *span_attr(const struct span *span, const char *key)
{
	static char texts[8][SPAN_DATA_BYTES + 1];
	static unsigned turn;
	const struct span_entry *entry = span_entry_find(span, SPAN_ATTRIBUTE, key);
	char *text = texts[turn++ % 8];

	if (!entry)
		return "(none)";
	switch ((enum tel_type)entry->type) {
	case TEL_TYPE_LITERAL: return entry->value.text;
	case TEL_TYPE_STRING: return text_of(entry, text);
	case TEL_TYPE_INT: snprintf(text, sizeof(texts[0]), "%lld", (long long)entry->value.number); return text;
	case TEL_TYPE_DOUBLE: snprintf(text, sizeof(texts[0]), "%g", entry->value.real); return text;
	case TEL_TYPE_BOOL: return entry->value.number ? "true" : "false";
	}
	return "(unknown)";
}

const char *span_name(const struct span *span)
{
	static char text[SPAN_DATA_BYTES + 1];
	const struct span_entry *entry = span_entry_find(span, SPAN_NAME, NULL);

	return entry ? text_of(entry, text) : span->name;
}
