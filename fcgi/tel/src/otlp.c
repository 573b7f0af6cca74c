/* SPDX-License-Identifier: MIT */
#include "tel/src/otlp.h"

#include <string.h>

#include "base/utf8.h"
#include "tel/src/resource.h"
#include "tel/src/span.h"

#define SCHEMA_URL "https://opentelemetry.io/schemas/1.44.0"

/* ---- protobuf (protobuf.dev/programming-guides/encoding) ---- */

enum wire_type { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

#define VARINT_MAX ((size_t)10)
#define TAG(field, wire) ((field) << 3 | (wire))

static size_t varint_size(uint64_t value)
{
	size_t bytes = 1;

	while (value >>= 7)
		bytes++;
	return bytes;
}

static char *put_varint(char *p, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		*p++ = (char)(value | 0x80);
	*p++ = (char)value;
	return p;
}

static char *put_fixed(char *p, uint64_t value, int bytes)
{
	for (int i = 0; i < bytes; i++)
		*p++ = (char)(value >> 8 * i);
	return p;
}

static char *put_bytes(char *p, unsigned field, const void *data, size_t bytes)
{
	p = put_varint(p, TAG(field, BYTES));
	p = put_varint(p, bytes);
	memcpy(p, data, bytes);
	return p + bytes;
}

/* The end of the buffer with room for `bytes`; NULL: `out` has failed. The writer stores the new end with commit(). */
static char *room(struct buf *out, size_t bytes)
{
	return buf_reserve(out, bytes) ? out->data + out->len : NULL;
}

static void commit(struct buf *out, const char *end)
{
	out->len = (size_t)(end - out->data);
}

static void add_varint(struct buf *out, unsigned field, uint64_t value)
{
	char *p = room(out, 2 * VARINT_MAX);

	if (p)
		commit(out, put_varint(put_varint(p, TAG(field, VARINT)), value));
}

static void add_fixed64(struct buf *out, unsigned field, uint64_t value)
{
	char *p = room(out, VARINT_MAX + 8);

	if (p)
		commit(out, put_fixed(put_varint(p, TAG(field, FIXED64)), value, 8));
}

static void add_fixed32(struct buf *out, unsigned field, uint32_t value)
{
	char *p = room(out, VARINT_MAX + 4);

	if (p)
		commit(out, put_fixed(put_varint(p, TAG(field, FIXED32)), value, 4));
}

static void add_bytes(struct buf *out, unsigned field, const void *data, size_t bytes)
{
	char *p = room(out, 2 * VARINT_MAX + bytes);

	if (p)
		commit(out, put_bytes(p, field, data, bytes));
}

/* A message inside: its length is written when it ends, into one byte kept for it; a longer one moves the message. */
static size_t begin_message(struct buf *out, unsigned field)
{
	char *p = room(out, VARINT_MAX + 1);

	if (p)
		commit(out, put_varint(p, TAG(field, BYTES)) + 1);
	return out->len;
}

static void end_message(struct buf *out, size_t begin)
{
	if (out->failed)
		return;
	size_t bytes = out->len - begin;
	size_t more = varint_size(bytes) - 1;
	if (more) {
		if (!buf_reserve(out, more))
			return;
		memmove(out->data + begin + more, out->data + begin, bytes);
		out->len += more;
	}
	put_varint(out->data + begin - 1, bytes);
}

/* ---- text: a protobuf string must be UTF-8 ---- */

static bool is_ascii(const char *s, size_t bytes)
{
	uint64_t high = 0, word;

	for (; bytes >= sizeof(word); s += sizeof(word), bytes -= sizeof(word)) {
		memcpy(&word, s, sizeof(word));
		high |= word;
	}
	for (; bytes; bytes--)
		high |= (uint64_t)(unsigned char)*s++;
	return !(high & UINT64_C(0x8080808080808080));
}

static void add_repaired(struct buf *out, unsigned field, const char *s, size_t bytes)
{
	size_t begin = begin_message(out, field); /* on the wire a string is like a message */

	while (bytes) {
		size_t n = utf8_sequence(s, bytes);
		size_t read = n ? n : utf8_ill_formed(s, bytes);
		buf_add(out, n ? s : "\xef\xbf\xbd", n ? n : 3);
		s += read;
		bytes -= read;
	}
	end_message(out, begin);
}

static bool is_text(const char *s, size_t bytes)
{
	return is_ascii(s, bytes) || utf8_valid(s, bytes);
}

static void add_utf8(struct buf *out, unsigned field, const char *s, size_t bytes)
{
	if (is_text(s, bytes))
		add_bytes(out, field, s, bytes);
	else
		add_repaired(out, field, s, bytes);
}

/* ---- KeyValue{key=1,value=2} AnyValue{string=1,bool=2,int=3,double=4} ---- */

static size_t field_size(size_t bytes) /* below 16 a tag takes a byte */
{
	return 1 + varint_size(bytes) + bytes;
}

/* Nearly every attribute: with its sizes known beforehand it is written in one go. */
static void add_text_attribute(struct buf *out, unsigned field, const char *key, size_t key_bytes, const char *value,
			       size_t bytes)
{
	size_t any = field_size(bytes);
	size_t pair = field_size(key_bytes) + field_size(any);
	char *p = room(out, field_size(pair));

	if (!p)
		return;
	p = put_varint(p, TAG(field, BYTES));
	p = put_varint(p, pair);
	p = put_bytes(p, 1, key, key_bytes);
	p = put_varint(p, TAG(2, BYTES));
	p = put_varint(p, any);
	commit(out, put_bytes(p, 1, value, bytes));
}

static void add_string_attribute(struct buf *out, unsigned field, const char *key, const char *value, size_t bytes)
{
	size_t key_bytes = strlen(key);

	if (is_text(key, key_bytes) && is_text(value, bytes)) {
		add_text_attribute(out, field, key, key_bytes, value, bytes);
		return;
	}
	size_t pair = begin_message(out, field);
	add_utf8(out, 1, key, key_bytes);
	size_t any = begin_message(out, 2);
	add_utf8(out, 1, value, bytes);
	end_message(out, any);
	end_message(out, pair);
}

static void add_attribute(struct buf *out, unsigned field, const struct span_entry *entry)
{
	if (entry->type == TEL_TYPE_STRING) {
		add_string_attribute(out, field, entry->key, span_entry_bytes(entry), entry->bytes);
		return;
	}
	if (entry->type == TEL_TYPE_LITERAL) {
		add_string_attribute(out, field, entry->key, entry->value.text, strlen(entry->value.text));
		return;
	}

	size_t pair = begin_message(out, field);
	add_utf8(out, 1, entry->key, strlen(entry->key));
	size_t any = begin_message(out, 2);
	if (entry->type == TEL_TYPE_BOOL)
		add_varint(out, 2, entry->value.number != 0);
	else if (entry->type == TEL_TYPE_INT)
		add_varint(out, 3, (uint64_t)entry->value.number);
	else
		add_fixed64(out, 4, (uint64_t)entry->value.number); /* the bits of the double */
	end_message(out, any);
	end_message(out, pair);
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
	size_t message = begin_message(out, SPAN_EVENTS);

	add_fixed64(out, 1, event->value.time_ns);
	add_utf8(out, 2, event->key, strlen(event->key));
	for (unsigned i = 0; i < event->attributes; i++) {
		entry = next_entry(entry);
		add_attribute(out, 3, entry);
	}
	if (event->dropped)
		add_varint(out, 4, event->dropped);
	end_message(out, message);
	return entry;
}

/* Link{trace_id=1,span_id=2,flags=6}: what is linked to came from elsewhere. */
static void add_link(struct buf *out, const struct span_entry *link)
{
	size_t message = begin_message(out, SPAN_LINKS);

	add_bytes(out, 1, span_entry_bytes(link), 16);
	add_bytes(out, 2, span_entry_bytes(link) + 16, 8);
	add_fixed32(out, 6, link->type | FLAG_REMOTE_KNOWN | FLAG_REMOTE);
	end_message(out, message);
}

static void add_name(struct buf *out, const struct span *span)
{
	if (span->name) {
		add_utf8(out, SPAN_NAME_FIELD, span->name, strlen(span->name));
		return;
	}
	const struct span_entry *entry = (const struct span_entry *)(span->data + span->name_at);
	add_utf8(out, SPAN_NAME_FIELD, span_entry_bytes(entry), entry->bytes);
}

static void add_span_ids(struct buf *out, const struct span *span)
{
	static const uint8_t none[sizeof(span->parent_span_id)];

	add_bytes(out, SPAN_TRACE_ID, span->trace_id, sizeof(span->trace_id));
	add_bytes(out, SPAN_SPAN_ID, span->span_id, sizeof(span->span_id));
	if (span->tracestate)
		add_bytes(out, SPAN_TRACE_STATE, span->tracestate, strlen(span->tracestate));
	if (memcmp(span->parent_span_id, none, sizeof(none)) != 0)
		add_bytes(out, SPAN_PARENT_SPAN_ID, span->parent_span_id, sizeof(span->parent_span_id));
}

static void add_entries(struct buf *out, const struct span *span)
{
	const struct span_entry *entry = (const struct span_entry *)span->data;
	const struct span_entry *end = (const struct span_entry *)(span->data + span->used);

	for (; entry < end; entry = next_entry(entry)) {
		switch (entry->kind) {
		case SPAN_NAME: break;
		case SPAN_ATTRIBUTE: add_attribute(out, SPAN_ATTRIBUTES, entry); break;
		case SPAN_EVENT: entry = add_event(out, entry); break;
		case SPAN_LINK: add_link(out, entry); break;
		}
	}
}

static void add_drops(struct buf *out, const struct span *span)
{
	if (span->dropped_attributes)
		add_varint(out, SPAN_DROPPED_ATTRIBUTES, span->dropped_attributes);
	if (span->dropped_events)
		add_varint(out, SPAN_DROPPED_EVENTS, span->dropped_events);
	if (span->dropped_links)
		add_varint(out, SPAN_DROPPED_LINKS, span->dropped_links);
}

void otlp_add_span(struct buf *out, const struct span *span)
{
	size_t message = begin_message(out, 2);

	add_span_ids(out, span);
	add_name(out, span);
	add_varint(out, SPAN_KIND, span->kind);
	add_fixed64(out, SPAN_START, span->start_ns);
	add_fixed64(out, SPAN_END, span->end_ns);
	add_entries(out, span);
	add_drops(out, span);
	if (span->status != SPAN_UNSET) {
		size_t status = begin_message(out, SPAN_STATUS);
		add_varint(out, 3, span->status);
		end_message(out, status);
	}
	add_fixed32(out, SPAN_FLAGS, span->flags | FLAG_REMOTE_KNOWN | (span->parent_remote ? FLAG_REMOTE : 0));
	end_message(out, message);
}

/* ---- ExportTraceServiceRequest{resource_spans=1}, and what is around the spans ---- */

/* ResourceSpans{resource=1,scope_spans=2,schema_url=3} */
void otlp_add_resource(struct buf *out, const struct resource_attr *attrs, size_t count)
{
	size_t resource = begin_message(out, 1);

	for (size_t i = 0; i < count; i++)
		add_string_attribute(out, 1, attrs[i].key, attrs[i].value, strlen(attrs[i].value));
	end_message(out, resource);
	add_bytes(out, 3, SCHEMA_URL, strlen(SCHEMA_URL));
}

/* ScopeSpans{scope=1{name=1,version=2},spans=2,schema_url=3} */
void otlp_add_scope(struct buf *out, const char *name, const char *version)
{
	size_t scope = begin_message(out, 1);

	add_utf8(out, 1, name, strlen(name));
	if (*version)
		add_utf8(out, 2, version, strlen(version));
	end_message(out, scope);
	add_bytes(out, 3, SCHEMA_URL, strlen(SCHEMA_URL));
}

size_t otlp_head_size_max(const struct buf *resource, const struct buf *scope)
{
	return resource->len + scope->len + 4 * VARINT_MAX;
}

char *otlp_write_head(char *spans, size_t spans_bytes, const struct buf *resource, const struct buf *scope)
{
	size_t scope_spans = scope->len + spans_bytes;
	size_t resource_spans = resource->len + 1 + varint_size(scope_spans) + scope_spans;
	char *head = spans - scope->len - (1 + varint_size(scope_spans)) - resource->len -
		     (1 + varint_size(resource_spans));

	char *p = put_varint(head, TAG(1, BYTES));
	p = put_varint(p, resource_spans);
	memcpy(p, resource->data, resource->len);
	p = put_varint(p + resource->len, TAG(2, BYTES));
	p = put_varint(p, scope_spans);
	memcpy(p, scope->data, scope->len);
	return head;
}
