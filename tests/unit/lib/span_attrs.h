/* SPDX-License-Identifier: MIT */
/* Makes a span, and looks into one that was not sent. */
#ifndef APM_TESTS_SPAN_ATTRS_H
#define APM_TESTS_SPAN_ATTRS_H

#include <stdbool.h>
#include <stdint.h>

#include "tel/src/span.h"

/* Lets tel_span_from record without an exporter. */
void span_attrs_enable(void);

/* Returns a span that records and is sampled; all bytes of its ids are `fill`. */
struct tel_span sampled_span(uint8_t fill);

/* Returns the last entry of this kind, with this key unless that is NULL; NULL when there is none. */
const struct span_entry *span_entry_find(const struct span *span, enum span_entry_kind kind, const char *key);

/* Returns an attribute's value as text, in one of 8 buffers, in turn; "(none)" when the span has no such attribute. */
const char *span_attr(const struct span *span, const char *key);

const char *span_name(const struct span *span);

/* Returns whether the span links to these ids: 16 bytes of the trace, 8 of the span. */
bool span_links(const struct span *span, const uint8_t ids[SPAN_LINK_BYTES]);

#endif
