/* SPDX-License-Identifier: MIT */
#include "tel/src/span.h"

#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "base/utf8.h"
#include "tel/ship.h"
#include "tel/src/misuse.h"
#include "tel/src/probability.h"
#include "tel/src/self_metrics.h"

static struct {
	bool enabled;
	struct sampler sampler;
	void (*sink)(const struct span *span);
	char root_tracestate[PROBABILITY_TEXT_MAX + 1]; /* of every sampled root: what the sampler's threshold is */
} config;

static struct span_limits limit = SPAN_LIMITS_DEFAULT;

/* Stands for no span. Nothing writes to it: it does not record and has ended. */
static union {
	struct span span;
	struct tel_span storage;
} none = {.span = {.name = "", .ended = true}};
static _Thread_local struct span *current;

void span_configure(bool enabled, const struct sampler *sampler, void (*sink)(const struct span *span))
{
	config.enabled = enabled;
	config.sampler = *sampler;
	config.sink = sink;
	if (sampler->threshold < SAMPLER_NONE)
		probability_format(sampler->threshold, config.root_tracestate);
}

bool span_has_root_tracestate(const struct span *span)
{
	return span->tracestate == config.root_tracestate;
}

void span_limit(const struct span_limits *limits)
{
	limit = *limits;
}

void span_in_child(void)
{
	for (struct span *span = current; span; span = span->outer)
		span->recording = false;
}

/* ---- start ---- */

/* All but `data`, whose bytes are written before they are read. */
static void clear(struct span *span)
{
	memset(span, 0, offsetof(struct span, data));
}

/*
 * A span that is started while the thread still has it, because it was not ended or was ended too early, would be
 * outside itself: the spans would form a ring, and who walks outwards would not come to an end. On a stack the search
 * ends at once: whatever is outside lies higher.
 */
static inline void take_out(const struct span *span)
{
	for (struct span **at = &current; *at && (uintptr_t)span >= (*at)->lowest; at = &(*at)->outer) {
		if (*at != span)
			continue;
		bool open = !span->ended;
		*at = span->outer;
		if (open)
			MISUSE("tel_span_start", "the span was started before and has not ended: it is lost");
		return;
	}
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

static void mint_span_id(struct span *span)
{
	uint64_t id = random_not_zero();
	memcpy(span->span_id, &id, sizeof(id));
}

static void begin_trace(struct span *span)
{
	uint64_t id[2] = {random_u64(), random_not_zero()};

	memcpy(span->trace_id, id, sizeof(id));
	mint_span_id(span);
	span->flags = TEL_RANDOM;
	if (config.enabled && sampler_decide(&config.sampler, span->trace_id)) {
		span->flags |= TEL_SAMPLED;
		span->tracestate = config.root_tracestate;
	}
}

/* As the specification asks, once: a trace id that nobody calls random may be none, and so are the decisions then. */
static void warn_of_unknown_randomness(const struct parent *parent)
{
	static atomic_bool warned;
	uint64_t randomness;

	if (config.sampler.threshold == 0 || config.sampler.threshold == SAMPLER_NONE || parent->flags & TEL_RANDOM ||
	    probability_explicit(parent->tracestate, &randomness) || atomic_exchange(&warned, true))
		return;
	complain_warn("the sampler takes trace ids of callers for random who do not say so: they should send the "
		      "random flag of W3C Trace Context level 2");
}

/* A sampler that is not parent-based makes a decision of its own, and its threshold takes the place of the parent's. */
static void decide_again(struct span *span, struct parent *parent)
{
	span->flags &= ~TEL_SAMPLED;
	warn_of_unknown_randomness(parent);
	if (probability_randomness(parent->tracestate, parent->trace_id) >= config.sampler.threshold) {
		span->flags |= TEL_SAMPLED;
		probability_set_threshold(parent->tracestate, config.sampler.threshold);
	} else {
		probability_erase_threshold(parent->tracestate);
	}
}

static void continue_remote(struct span *span, struct parent *parent)
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
	if (config.sampler.parent_based)
		probability_check_threshold(parent->tracestate, parent->trace_id, parent->flags & TEL_SAMPLED);
	else
		decide_again(span, parent);
	span->tracestate = parent->tracestate[0] ? parent->tracestate : NULL;
}

/* A sampler that is not parent-based decides by the trace id or `rv` alone, so what it said for the parent holds here
 * too. */
static void continue_local(struct span *span, const struct span *parent)
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
static void start_clock(struct span *span)
{
	const struct span *outer = span->outer;

	if (outer && outer->recording) {
		span->start_monotonic_ns = clock_monotonic_ns();
		span->start_ns = outer->start_ns + (span->start_monotonic_ns - outer->start_monotonic_ns);
	} else {
		clock_both_ns(&span->start_ns, &span->start_monotonic_ns);
	}
}

static inline void make_current(struct span *span, const char *name, enum tel_kind kind)
{
	span->name = name;
	span->kind = (uint8_t)kind;
	span->outer = current;
	span->lowest = current && current->lowest < (uintptr_t)span ? current->lowest : (uintptr_t)span;
	current = span;
	if (!(span->flags & TEL_SAMPLED) || !config.enabled || !config.sink)
		return;
	span->recording = true;
	start_clock(span);
	self_made(SIGNAL_TRACES);
}

/* A name that is missing would end the process when it is encoded. */
static const char *checked_name(const char *name)
{
	if (!name)
		MISUSE("tel_span_start", "the name is NULL");
	return name ? name : "";
}

void tel_span_start(struct tel_span *public_span, const char *name, enum tel_kind kind)
{
	struct span *span = span_of(public_span);

	if (MISUSE_NULL(span, "tel_span_start"))
		return;
	take_out(span);
	clear(span);
	if (current)
		continue_local(span, current);
	else
		begin_trace(span);
	make_current(span, checked_name(name), kind);
}

void tel_span_start_remote(struct tel_span *public_span, const char *name, enum tel_kind kind,
			   struct tel_parent *public_parent)
{
	struct span *span = span_of(public_span);
	struct parent *parent = public_parent ? parent_of(public_parent) : NULL;

	if (MISUSE_NULL(span, "tel_span_start_remote"))
		return;
	take_out(span);
	clear(span);
	if (parent && parent->valid)
		continue_remote(span, parent);
	else
		begin_trace(span);
	if (parent && parent->baggage[0])
		span->baggage = parent->baggage;
	make_current(span, checked_name(name), kind);
}

void tel_span_from(struct tel_span *public_span, const struct tel_span_facts *facts)
{
	struct span *span = span_of(public_span);

	if (MISUSE_NULL(span, "tel_span_from"))
		return;
	clear(span);
	span->name = "";
	if (MISUSE_NULL(facts, "tel_span_from"))
		return;
	memcpy(span->trace_id, facts->context.trace_id, sizeof(span->trace_id));
	memcpy(span->span_id, facts->context.span_id, sizeof(span->span_id));
	memcpy(span->parent_span_id, facts->parent_span_id, sizeof(span->parent_span_id));
	span->flags = facts->context.flags & (TEL_SAMPLED | TEL_RANDOM);
	span->parent_remote = facts->parent_remote;
	span->kind = (uint8_t)facts->kind;
	span->start_ns = facts->start_ns;
	span->end_ns = facts->end_ns;
	span->recording = config.enabled && (span->flags & TEL_SAMPLED);
}

void tel_span_set_tracestate(struct tel_span *public_span, struct tel_parent *public_parent)
{
	struct span *span = span_of(public_span);
	struct parent *parent = parent_of(public_parent);

	if (MISUSE_NULL(span && parent, "tel_span_set_tracestate"))
		return;
	probability_check_threshold(parent->tracestate, span->trace_id, span->flags & TEL_SAMPLED);
	span->tracestate = parent->tracestate[0] ? parent->tracestate : NULL;
}

/* ---- end ---- */

static uint64_t now_of(const struct span *span)
{
	if (!span->start_monotonic_ns) /* tel_span_from */
		return clock_realtime_ns();
	return span->start_ns + (clock_monotonic_ns() - span->start_monotonic_ns);
}

void tel_span_end(struct tel_span *public_span)
{
	struct span *span = span_of(public_span);

	if (MISUSE_NULL(span, "tel_span_end") || span->ended)
		return;
	span->ended = true;
	while (current && current->ended) /* an outer one may have been ended before */
		current = current->outer;
	if (!span->recording || !config.sink)
		return;
	span->end_ns = now_of(span);
	config.sink(span);
}

struct tel_span *tel_span_current(void)
{
	return (struct tel_span *)(current ? current : &none.span);
}

bool tel_span_recording(const struct tel_span *span)
{
	return !MISUSE_NULL(span, "tel_span_recording") && const_span_of(span)->recording;
}

struct tel_context tel_span_context(const struct tel_span *public_span)
{
	const struct span *span = const_span_of(public_span);
	struct tel_context context = {.flags = 0};

	if (MISUSE_NULL(span, "tel_span_context"))
		return context;
	context.flags = span->flags;
	memcpy(context.trace_id, span->trace_id, sizeof(context.trace_id));
	memcpy(context.span_id, span->span_id, sizeof(context.span_id));
	return context;
}

/* ---- contents ---- */

static bool is_open(const struct span *span)
{
	return span->recording && !span->ended;
}

static void count_drop(uint16_t *counter)
{
	if (*counter < UINT16_MAX)
		(*counter)++;
}

/* Returns NULL if there is no room. */
static inline struct span_entry *append_entry(struct span *span, enum span_entry_kind kind, size_t bytes)
{
	struct span_entry *entry = (struct span_entry *)(span->data + span->used);
	size_t room = sizeof(span->data) - span->used;

	if (room < sizeof(*entry) || bytes > room - sizeof(*entry))
		return NULL;
	*entry = (struct span_entry){.kind = (uint8_t)kind, .bytes = (uint16_t)bytes};
	span->used += (uint32_t)span_entry_size(entry);
	return entry;
}

/* Bytes of the first characters of a text, as many as are allowed; what is not UTF-8 counts by the byte. */
static size_t cut_at_limit(const char *text, size_t bytes)
{
	size_t at = 0;

	for (uint32_t left = limit.characters; left && at < bytes; left--) {
		size_t length = utf8_sequence(text + at, bytes - at);
		at += length ? length : 1;
	}
	return at;
}

/* Returns true if the value is copied after its entry, as a literal is that has to be cut. */
static bool is_copied(const struct tel_attr *attr)
{
	return attr->type == TEL_TYPE_STRING || (attr->type == TEL_TYPE_LITERAL && attr->bytes > limit.characters);
}

static inline bool append_attribute(struct span *span, const struct tel_attr *attr)
{
	enum tel_type type = is_copied(attr) ? TEL_TYPE_STRING : attr->type;
	size_t bytes = type == TEL_TYPE_STRING ? attr->bytes : 0;

	if (__builtin_expect(!attr->key, 0)) {
		MISUSE("tel_span_set", "a key is NULL");
		return false;
	}
	if (bytes > limit.characters)
		bytes = cut_at_limit(attr->value.text, bytes);
	struct span_entry *entry = append_entry(span, SPAN_ATTRIBUTE, bytes);
	if (!entry)
		return false;
	entry->type = (uint8_t)type;
	entry->key = attr->key;
	switch (type) {
	case TEL_TYPE_STRING: memcpy(span_entry_bytes(entry), attr->value.text, bytes); break;
	case TEL_TYPE_LITERAL: entry->value.text = attr->value.text; break;
	case TEL_TYPE_DOUBLE: entry->value.real = attr->value.real; break;
	case TEL_TYPE_INT:
	case TEL_TYPE_BOOL: entry->value.number = attr->value.number; break;
	}
	return true;
}

void tel_span_set_attrs(struct tel_span *public_span, const struct tel_attr *attrs, size_t count)
{
	struct span *span = span_of(public_span);

	if (MISUSE_NULL(span && (attrs || !count), "tel_span_set") || !is_open(span))
		return;
	for (size_t i = 0; i < count; i++) {
		if (span->attributes < limit.attributes && append_attribute(span, &attrs[i]))
			span->attributes++;
		else
			count_drop(&span->dropped_attributes);
	}
}

void tel_span_event_attrs(struct tel_span *public_span, const char *name, const struct tel_attr *attrs, size_t count)
{
	struct span *span = span_of(public_span);

	if (MISUSE_NULL(span && name && (attrs || !count), "tel_span_event") || !is_open(span))
		return;
	struct span_entry *event = span->events < limit.events ? append_entry(span, SPAN_EVENT, 0) : NULL;
	if (!event) {
		count_drop(&span->dropped_events);
		return;
	}
	span->events++;
	event->key = name;
	event->value.time_ns = now_of(span);
	for (size_t i = 0; i < count; i++) {
		if (event->attributes < limit.event_attributes && append_attribute(span, &attrs[i]))
			event->attributes++;
		else
			count_drop(&event->dropped);
	}
}

void tel_span_link(struct tel_span *public_span, struct tel_context to)
{
	struct span *span = span_of(public_span);

	if (MISUSE_NULL(span, "tel_span_link") || !is_open(span))
		return;
	struct span_entry *link = span->links < limit.links ? append_entry(span, SPAN_LINK, SPAN_LINK_BYTES) : NULL;
	if (!link) {
		count_drop(&span->dropped_links);
		return;
	}
	span->links++;
	link->type = to.flags & (TEL_SAMPLED | TEL_RANDOM);
	memcpy(span_entry_bytes(link), to.trace_id, 16);
	memcpy(span_entry_bytes(link) + 16, to.span_id, 8);
}

void tel_span_rename(struct tel_span *public_span, const char *first, const char *second)
{
	struct span *span = span_of(public_span);

	if (MISUSE_NULL(span && first, "tel_span_rename") || !is_open(span))
		return;
	size_t first_bytes = strlen(first), second_bytes = second ? strlen(second) : 0;
	struct span_entry *entry = append_entry(span, SPAN_NAME, first_bytes + (second != NULL) + second_bytes);
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
	if (MISUSE_NULL(span && error_type, "tel_span_fail") || !is_open(span_of(span)))
		return;
	span_of(span)->status = SPAN_ERROR;
	tel_span_set(span, tel_lit("error.type", error_type));
}
