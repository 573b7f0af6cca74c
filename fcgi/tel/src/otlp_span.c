/* SPDX-License-Identifier: MIT */
#include "tel/src/otlp.h"

#include <string.h>

#include "tel/src/otlp_common.h"
#include "tel/src/span.h"

static void add_entry_attribute(struct buf *out, unsigned field, const struct span_entry *entry)
{
	struct tel_attr attr = {.key = entry->key, .type = (enum tel_type)entry->type};

	switch (attr.type) {
	case TEL_TYPE_STRING: attr = tel_strn(entry->key, span_entry_bytes(entry), entry->bytes); break;
	case TEL_TYPE_LITERAL: attr = tel_lit(entry->key, entry->value.text); break;
	case TEL_TYPE_DOUBLE: attr.value.real = entry->value.real; break;
	case TEL_TYPE_INT:
	case TEL_TYPE_BOOL: attr.value.number = entry->value.number; break;
	}
	otlp_add_attribute(out, field, &attr);
}

/* ---- Span ---- */

enum span_field {
	SPAN_TRACE_ID = 1,
	SPAN_SPAN_ID,
	SPAN_TRACE_STATE,
	SPAN_PARENT_SPAN_ID,
	SPAN_NAME_FIELD,
	SPAN_KIND,
	SPAN_START,
	SPAN_END,
	SPAN_ATTRIBUTES,
	SPAN_DROPPED_ATTRIBUTES,
	SPAN_EVENTS,
	SPAN_DROPPED_EVENTS,
	SPAN_LINKS,
	SPAN_DROPPED_LINKS,
	SPAN_STATUS,
	SPAN_FLAGS
};

/* Beside the W3C byte, flags tell that the next bit is known, and whether the parent (the linked span) is remote. */
enum { FLAG_REMOTE_KNOWN = 0x100, FLAG_REMOTE = 0x200 };

static const struct span_entry *next_entry(const struct span_entry *entry)
{
	return (const struct span_entry *)((const char *)entry + span_entry_size(entry));
}

/* Event{time=1,name=2,attributes=3,dropped_attributes=4}; returns the last entry that belongs to it. */
static const struct span_entry *add_event(struct buf *out, const struct span_entry *event)
{
	const struct span_entry *entry = event;
	size_t message = protobuf_begin(out, SPAN_EVENTS);

	protobuf_add_fixed64(out, 1, event->value.time_ns);
	protobuf_add_text(out, 2, event->key, strlen(event->key));
	for (unsigned i = 0; i < event->attributes; i++) {
		entry = next_entry(entry);
		add_entry_attribute(out, 3, entry);
	}
	if (event->dropped)
		protobuf_add_varint(out, 4, event->dropped);
	protobuf_end(out, message);
	return entry;
}

/* Link{trace_id=1,span_id=2,flags=6}: what is linked to came from elsewhere. */
static void add_link(struct buf *out, const struct span_entry *link)
{
	size_t message = protobuf_begin(out, SPAN_LINKS);

	protobuf_add_bytes(out, 1, span_entry_bytes(link), 16);
	protobuf_add_bytes(out, 2, span_entry_bytes(link) + 16, 8);
	protobuf_add_fixed32(out, 6, link->type | FLAG_REMOTE_KNOWN | FLAG_REMOTE);
	protobuf_end(out, message);
}

static void add_name(struct buf *out, const struct span *span)
{
	if (span->name) {
		protobuf_add_text(out, SPAN_NAME_FIELD, span->name, strlen(span->name));
		return;
	}
	const struct span_entry *entry = (const struct span_entry *)(span->data + span->name_at);
	protobuf_add_text(out, SPAN_NAME_FIELD, span_entry_bytes(entry), entry->bytes);
}

static void add_span_ids(struct buf *out, const struct span *span)
{
	static const uint8_t none[sizeof(span->parent_span_id)];

	protobuf_add_bytes(out, SPAN_TRACE_ID, span->trace_id, sizeof(span->trace_id));
	protobuf_add_bytes(out, SPAN_SPAN_ID, span->span_id, sizeof(span->span_id));
	if (span->tracestate)
		protobuf_add_bytes(out, SPAN_TRACE_STATE, span->tracestate, strlen(span->tracestate));
	if (memcmp(span->parent_span_id, none, sizeof(none)) != 0)
		protobuf_add_bytes(out, SPAN_PARENT_SPAN_ID, span->parent_span_id, sizeof(span->parent_span_id));
}

static void add_entries(struct buf *out, const struct span *span)
{
	const struct span_entry *entry = (const struct span_entry *)span->data;
	const struct span_entry *end = (const struct span_entry *)(span->data + span->used);

	for (; entry < end; entry = next_entry(entry)) {
		switch (entry->kind) {
		case SPAN_NAME: break;
		case SPAN_ATTRIBUTE: add_entry_attribute(out, SPAN_ATTRIBUTES, entry); break;
		case SPAN_EVENT: entry = add_event(out, entry); break;
		case SPAN_LINK: add_link(out, entry); break;
		}
	}
}

static void add_drops(struct buf *out, const struct span *span)
{
	if (span->dropped_attributes)
		protobuf_add_varint(out, SPAN_DROPPED_ATTRIBUTES, span->dropped_attributes);
	if (span->dropped_events)
		protobuf_add_varint(out, SPAN_DROPPED_EVENTS, span->dropped_events);
	if (span->dropped_links)
		protobuf_add_varint(out, SPAN_DROPPED_LINKS, span->dropped_links);
}

void otlp_add_span(struct buf *out, const struct span *span)
{
	size_t message = protobuf_begin(out, OTLP_ITEM);

	add_span_ids(out, span);
	add_name(out, span);
	protobuf_add_varint(out, SPAN_KIND, span->kind);
	protobuf_add_fixed64(out, SPAN_START, span->start_ns);
	protobuf_add_fixed64(out, SPAN_END, span->end_ns);
	add_entries(out, span);
	add_drops(out, span);
	if (span->status != SPAN_UNSET) {
		size_t status = protobuf_begin(out, SPAN_STATUS);
		protobuf_add_varint(out, 3, span->status);
		protobuf_end(out, status);
	}
	protobuf_add_fixed32(out, SPAN_FLAGS,
			     span->flags | FLAG_REMOTE_KNOWN | (span->parent_remote ? FLAG_REMOTE : 0));
	protobuf_end(out, message);
}
