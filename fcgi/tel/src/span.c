/* SPDX-License-Identifier: MIT */
#include "tel/src/span.h"

#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "tel/src/self_metrics.h"

static struct {
	bool enabled;
	struct sampler sampler;
	void (*sink)(const struct tel_span *span);
} config;

/* Stands for no span. Nothing writes to it: it does not record and has ended. */
static struct tel_span none = {.name = "", .ended = true};
static _Thread_local struct tel_span *current;

void span_configure(bool enabled, const struct sampler *sampler, void (*sink)(const struct tel_span *span))
{
	config.enabled = enabled;
	config.sampler = *sampler;
	config.sink = sink;
}

/* ---- start ---- */

/* All but `data`, whose bytes are written before they are read. */
static void clear(struct tel_span *span)
{
	memset(span, 0, offsetof(struct tel_span, data));
}

/* Zero is "no id". */
static uint64_t random_not_zero(void)
{
	uint64_t value;

	do
		value = random_u64();
	while (value == 0);
	return value;
}

static void mint_span_id(struct tel_span *span)
{
	uint64_t id = random_not_zero();
	memcpy(span->span_id, &id, sizeof(id));
}

static void begin_trace(struct tel_span *span)
{
	uint64_t id[2] = {random_u64(), random_not_zero()};

	memcpy(span->trace_id, id, sizeof(id));
	mint_span_id(span);
	span->flags = TEL_RANDOM;
	if (config.enabled && sampler_decide(&config.sampler, span->trace_id))
		span->flags |= TEL_SAMPLED;
}

static void continue_remote(struct tel_span *span, const struct tel_parent *parent)
{
	memcpy(span->trace_id, parent->trace_id, sizeof(span->trace_id));
	span->flags = parent->flags;
	span->tracestate = parent->tracestate[0] ? parent->tracestate : NULL;
	if (!config.enabled) {
		memcpy(span->span_id, parent->span_id, sizeof(span->span_id));
		return;
	}

	mint_span_id(span);
	memcpy(span->parent_span_id, parent->span_id, sizeof(span->parent_span_id));
	span->parent_remote = true;
	if (!config.sampler.parent_based) {
		span->flags &= ~TEL_SAMPLED;
		if (sampler_decide(&config.sampler, span->trace_id))
			span->flags |= TEL_SAMPLED;
	}
}

/* A sampler that is not parent-based decides by the trace id alone, so what it said for the parent holds here too. */
static void continue_local(struct tel_span *span, const struct tel_span *parent)
{
	memcpy(span->trace_id, parent->trace_id, sizeof(span->trace_id));
	span->flags = parent->flags;
	span->tracestate = parent->tracestate;
	span->baggage = parent->baggage;
	if (!config.enabled) {
		memcpy(span->span_id, parent->span_id, sizeof(span->span_id));
		return;
	}
	mint_span_id(span);
	memcpy(span->parent_span_id, parent->span_id, sizeof(span->parent_span_id));
}

/* Realtime is read once a trace: monotonic steps from there keep children inside their parents when the clock is set.
 */
static void start_clock(struct tel_span *span)
{
	const struct tel_span *outer = span->outer;

	if (outer && outer->recording) {
		span->start_monotonic_ns = clock_monotonic_ns();
		span->start_ns = outer->start_ns + (span->start_monotonic_ns - outer->start_monotonic_ns);
	} else {
		clock_both_ns(&span->start_ns, &span->start_monotonic_ns);
	}
}

static void make_current(struct tel_span *span, const char *name, enum tel_kind kind)
{
	span->name = name;
	span->kind = (uint8_t)kind;
	span->outer = current;
	current = span;
	if (!(span->flags & TEL_SAMPLED) || !config.enabled || !config.sink)
		return;
	span->recording = true;
	start_clock(span);
	self_started();
}

void tel_span_start(struct tel_span *span, const char *name, enum tel_kind kind)
{
	clear(span);
	if (current)
		continue_local(span, current);
	else
		begin_trace(span);
	make_current(span, name, kind);
}

void tel_span_start_remote(struct tel_span *span, const char *name, enum tel_kind kind, const struct tel_parent *parent)
{
	clear(span);
	if (parent && parent->valid)
		continue_remote(span, parent);
	else
		begin_trace(span);
	if (parent && parent->baggage[0])
		span->baggage = parent->baggage;
	make_current(span, name, kind);
}

void tel_span_from(struct tel_span *span, enum tel_kind kind, const uint8_t trace_id[16], const uint8_t span_id[8],
		   const uint8_t parent_span_id[8], uint8_t flags, bool parent_remote, uint64_t start_ns,
		   uint64_t end_ns)
{
	clear(span);
	memcpy(span->trace_id, trace_id, sizeof(span->trace_id));
	memcpy(span->span_id, span_id, sizeof(span->span_id));
	memcpy(span->parent_span_id, parent_span_id, sizeof(span->parent_span_id));
	span->flags = flags & (TEL_SAMPLED | TEL_RANDOM);
	span->parent_remote = parent_remote;
	span->kind = (uint8_t)kind;
	span->name = "";
	span->start_ns = start_ns;
	span->end_ns = end_ns;
	span->recording = config.enabled && (flags & TEL_SAMPLED);
}

/* ---- end ---- */

static uint64_t now_of(const struct tel_span *span)
{
	if (!span->start_monotonic_ns) /* tel_span_from */
		return clock_realtime_ns();
	return span->start_ns + (clock_monotonic_ns() - span->start_monotonic_ns);
}

void tel_span_end(struct tel_span *span)
{
	if (span->ended)
		return;
	span->ended = true;
	while (current && current->ended) /* an outer one may have been ended before */
		current = current->outer;
	if (!span->recording || !config.sink)
		return;
	span->end_ns = now_of(span);
	config.sink(span);
}

struct tel_span *tel_current(void)
{
	return current ? current : &none;
}

/* ---- contents ---- */

static bool open(const struct tel_span *span)
{
	return span->recording && !span->ended;
}

static void count_drop(uint16_t *counter)
{
	if (*counter < UINT16_MAX)
		(*counter)++;
}

/* NULL: no room. */
static struct span_entry *append(struct tel_span *span, enum span_entry_kind kind, size_t bytes)
{
	struct span_entry *entry = (struct span_entry *)(span->data + span->used);
	size_t room = sizeof(span->data) - span->used;

	if (room < sizeof(*entry) || bytes > room - sizeof(*entry))
		return NULL;
	*entry = (struct span_entry){.kind = (uint8_t)kind, .bytes = (uint16_t)bytes};
	span->used += (uint32_t)span_entry_size(entry);
	return entry;
}

static bool append_attribute(struct tel_span *span, const struct tel_attr *attr)
{
	size_t bytes = attr->type == TEL_TYPE_STRING ? attr->bytes : 0;
	struct span_entry *entry = append(span, SPAN_ATTRIBUTE, bytes);

	if (!entry)
		return false;
	entry->type = (uint8_t)attr->type;
	entry->key = attr->key;
	switch (attr->type) {
	case TEL_TYPE_STRING: memcpy(span_entry_bytes(entry), attr->value.text, bytes); break;
	case TEL_TYPE_LITERAL: entry->value.text = attr->value.text; break;
	case TEL_TYPE_DOUBLE: entry->value.real = attr->value.real; break;
	case TEL_TYPE_INT:
	case TEL_TYPE_BOOL: entry->value.number = attr->value.number; break;
	}
	return true;
}

void tel_set_attrs(struct tel_span *span, const struct tel_attr *attrs, size_t count)
{
	if (!open(span))
		return;
	for (size_t i = 0; i < count; i++)
		if (!append_attribute(span, &attrs[i]))
			count_drop(&span->dropped_attributes);
}

void tel_event_attrs(struct tel_span *span, const char *name, const struct tel_attr *attrs, size_t count)
{
	if (!open(span))
		return;
	struct span_entry *event = append(span, SPAN_EVENT, 0);
	if (!event) {
		count_drop(&span->dropped_events);
		return;
	}
	event->key = name;
	event->value.time_ns = now_of(span);
	for (size_t i = 0; i < count; i++) {
		if (append_attribute(span, &attrs[i]))
			event->attributes++;
		else
			count_drop(&event->dropped);
	}
}

void tel_link(struct tel_span *span, const uint8_t trace_id[16], const uint8_t span_id[8], uint8_t flags)
{
	if (!open(span))
		return;
	struct span_entry *link = append(span, SPAN_LINK, SPAN_LINK_BYTES);
	if (!link) {
		count_drop(&span->dropped_links);
		return;
	}
	link->type = flags & (TEL_SAMPLED | TEL_RANDOM);
	memcpy(span_entry_bytes(link), trace_id, 16);
	memcpy(span_entry_bytes(link) + 16, span_id, 8);
}

void tel_span_rename(struct tel_span *span, const char *first, const char *second)
{
	size_t first_bytes = strlen(first), second_bytes = second ? strlen(second) : 0;

	if (!open(span))
		return;
	struct span_entry *entry = append(span, SPAN_NAME, first_bytes + (second != NULL) + second_bytes);
	if (!entry)
		return; /* the old name is better than none */
	char *text = span_entry_bytes(entry);
	memcpy(text, first, first_bytes);
	if (second) {
		text[first_bytes] = ' ';
		memcpy(text + first_bytes + 1, second, second_bytes);
	}
	span->name = NULL;
	span->name_at = (uint32_t)((const char *)entry - span->data);
}

void tel_span_fail(struct tel_span *span, const char *error_type)
{
	if (!open(span))
		return;
	span->status = TEL_ERROR;
	tel_set(span, tel_lit("error.type", error_type));
}
