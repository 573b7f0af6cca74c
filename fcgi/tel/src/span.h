/* SPDX-License-Identifier: MIT */
/* Inside of a span: what `data` holds, for those that write and read it. Internal to tel/. */
#ifndef TEL_SPAN_H
#define TEL_SPAN_H

#include "tel/src/sampler.h"
#include "tel/tel.h"

enum span_entry_kind { SPAN_NAME, SPAN_ATTRIBUTE, SPAN_EVENT, SPAN_LINK };

/*
 * One entry of `data`, at a multiple of 8, followed by `bytes` copied bytes. The attributes of an event are the
 * `attributes` entries behind it; all others belong to the span.
 */
struct span_entry {
	uint8_t kind; /* span_entry_kind */
	uint8_t type; /* attribute: tel_type; link: W3C flags */
	uint16_t bytes;
	uint16_t attributes; /* event: how many follow */
	uint16_t dropped;    /* event: attributes that did not fit */
	const char *key;     /* of an attribute; an event's name; NULL otherwise */
	union {
		const char *text; /* literal; a copied string is behind the entry */
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

/* Bytes of a span that are in use: what a copy needs. */
static inline size_t span_size(const struct tel_span *span)
{
	return offsetof(struct tel_span, data) + span->used;
}

/*
 * Before threads. `enabled` false: ids are passed through, nothing is recorded (OTEL_SDK_DISABLED). `sink` takes every
 * recorded span as it ends, and copies it; NULL: spans are not recorded, except those of tel_span_from.
 */
void span_configure(bool enabled, const struct sampler *sampler, void (*sink)(const struct tel_span *span));

#endif
