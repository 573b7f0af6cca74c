/* SPDX-License-Identifier: MIT */
/* Inside of a span: what `data` holds, for those that write and read it. Internal to tel/. */
#ifndef TEL_SPAN_H
#define TEL_SPAN_H

#include <string.h>

#include "tel/src/context.h"
#include "tel/src/sampler.h"
#include "tel/tel.h"

#define SPAN_DATA_BYTES 2048

/*
 * The inside of struct tel_span. `data` holds the name, attributes, events and links in the order they were set, each
 * followed by its copied strings, so that a span is copied with one memcpy of the part in use.
 */
struct span {
	uint8_t trace_id[16];
	uint8_t span_id[8];
	uint8_t parent_span_id[8]; /* zero: a root */
	uint8_t flags;
	bool recording;     /* sampled, and telemetry is on */
	bool parent_remote; /* for OTLP Span.flags */
	bool ended;
	uint8_t kind;
	uint8_t status;                     /* enum span_status */
	uint16_t attributes, events, links; /* kept, and dropped */
	uint16_t dropped_attributes, dropped_events, dropped_links;
	uint32_t used;     /* bytes of `data` */
	uint32_t name_at;  /* of the copied name in `data`, when `name` is NULL */
	uint64_t start_ns; /* realtime */
	uint64_t end_ns;   /* realtime, 0 until the end */
	uint64_t start_monotonic_ns;
	const char *name;       /* literal */
	const char *tracestate; /* inherited; owned by the request, constant for a root; NULL none */
	const char *baggage;    /* the same */
	struct span *outer;     /* current before this one */
	uintptr_t lowest;       /* address of this one and of those outside */
	_Alignas(8) char data[SPAN_DATA_BYTES];
};

_Static_assert(sizeof(struct span) <= sizeof(struct tel_span) && _Alignof(struct span) <= _Alignof(uint64_t),
	       "a span fits in its owner's storage");

enum span_status { SPAN_UNSET = 0, SPAN_OK = 1, SPAN_ERROR = 2 }; /* as OTLP */

static inline struct span *span_of(struct tel_span *span)
{
	return (struct span *)span;
}

static inline const struct span *const_span_of(const struct tel_span *span)
{
	return (const struct span *)span;
}

/* Returns false for the span that stands for none. */
static inline bool span_valid(const struct span *span)
{
	static const uint8_t none[sizeof(span->trace_id)];
	return memcmp(span->trace_id, none, sizeof(none)) != 0;
}

enum span_entry_kind { SPAN_NAME, SPAN_ATTRIBUTE, SPAN_EVENT, SPAN_LINK };

/*
 * One entry of `data`, at a multiple of 8, followed by `bytes` copied bytes. The attributes of an event are the
 * `attributes` entries after it; all others belong to the span.
 */
struct span_entry {
	uint8_t kind; /* span_entry_kind */
	uint8_t type; /* attribute: tel_type; link: W3C flags */
	uint16_t bytes;
	uint16_t attributes; /* event: how many follow */
	uint16_t dropped;    /* event: attributes that did not fit */
	const char *key;     /* of an attribute; an event's name; NULL otherwise */
	union {
		const char *text; /* a literal; a copied string is after the entry */
		int64_t number;
		double real;
		uint64_t time_ns; /* event */
	} value;
};

/* A link is 24 copied bytes: trace id, span id. */
#define SPAN_LINK_BYTES 24

static inline size_t span_entry_size(const struct span_entry *entry)
{
	return sizeof(*entry) + ((entry->bytes + 7u) & ~(size_t)7);
}

static inline char *span_entry_bytes(const struct span_entry *entry)
{
	return (char *)(entry + 1);
}

/* Returns true if the tracestate is the constant of roots, so that a copy of the span needs none of its own. */
bool span_has_root_tracestate(const struct span *span);

/* Returns the bytes of a span that are in use, which a copy needs. */
static inline size_t span_size(const struct span *span)
{
	return offsetof(struct span, data) + span->used;
}

/* OpenTelemetry specification, "Trace SDK", "Span Limits". Items over a limit are dropped and counted. */
struct span_limits {
	unsigned attributes, events, links; /* of a span */
	unsigned event_attributes;          /* of an event */
	uint32_t characters;                /* of a text: a longer one is cut */
};

#define SPAN_LIMITS_DEFAULT                                                                                            \
	{                                                                                                              \
		128, 128, 128, 128, UINT32_MAX                                                                         \
	}

/* Sets the limits, which are the specification's otherwise. They are copied. Call it before threads start. */
void span_limit(const struct span_limits *limits);

/*
 * Call it before threads start. If `enabled` is false, ids are passed through and nothing is recorded
 * (OTEL_SDK_DISABLED). `sink` takes every recorded span as it ends, and copies it. If it is NULL, spans are not
 * recorded, except those of tel_span_from.
 */
void span_configure(bool enabled, const struct sampler *sampler, void (*sink)(const struct span *span));

/* For a forked child: open spans belong to the parent process, and are the parents of spans that the child starts. */
void span_in_child(void);

#endif
