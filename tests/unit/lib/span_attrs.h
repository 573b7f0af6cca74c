/* SPDX-License-Identifier: MIT */
/* Looks into a span that was not sent. */
#ifndef APM_TESTS_SPAN_ATTRS_H
#define APM_TESTS_SPAN_ATTRS_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "tel/src/span.h"

/* Lets tel_span_from record without an exporter. */
static inline void span_attrs_enable(void)
{
	span_configure(true, &(struct sampler){0}, NULL);
}

static inline const struct span_entry *span_entry_find(const struct span *span, enum span_entry_kind kind,
						       const char *key)
{
	const struct span_entry *found = NULL;

	for (size_t at = 0; at < span->used;) {
		const struct span_entry *entry = (const struct span_entry *)(span->data + at);
		if (entry->kind == kind && (!key || strcmp(entry->key, key) == 0))
			found = entry;
		at += span_entry_size(entry);
	}
	return found;
}

/* The attribute's value as text, in a buffer of this function; "(none)" when the span has no such attribute. */
static inline const char *span_attr(const struct span *span, const char *key)
{
	static char text[SPAN_DATA_BYTES + 1];
	const struct span_entry *entry = span_entry_find(span, SPAN_ATTRIBUTE, key);

	if (!entry)
		return "(none)";
	switch ((enum tel_type)entry->type) {
	case TEL_TYPE_LITERAL: return entry->value.text;
	case TEL_TYPE_STRING:
		snprintf(text, sizeof(text), "%.*s", entry->bytes, (const char *)(entry + 1));
		return text;
	case TEL_TYPE_INT: snprintf(text, sizeof(text), "%lld", (long long)entry->value.number); return text;
	case TEL_TYPE_DOUBLE: snprintf(text, sizeof(text), "%g", entry->value.real); return text;
	case TEL_TYPE_BOOL: return entry->value.number ? "true" : "false";
	}
	return "(unknown)";
}

static inline const char *span_name(const struct span *span)
{
	static char text[SPAN_DATA_BYTES + 1];
	const struct span_entry *entry = span_entry_find(span, SPAN_NAME, NULL);

	if (!entry)
		return span->name;
	snprintf(text, sizeof(text), "%.*s", entry->bytes, (const char *)(entry + 1));
	return text;
}

#endif
