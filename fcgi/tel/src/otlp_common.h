/* SPDX-License-Identifier: MIT */
/*
 * The parts that all requests of OTLP 1.x have in common (opentelemetry-proto, common/v1 and resource/v1): attributes,
 * resource, scope, and the beginning of a request. Pure functions. Internal to tel/.
 */
#ifndef TEL_OTLP_COMMON_H
#define TEL_OTLP_COMMON_H

#include <stddef.h>

#include "base/protobuf.h"

struct resource_attr;
struct tel_attr;

/* Append KeyValue{key=1,value=2} as `field`, which is below 16. Ill-formed UTF-8 is replaced by U+FFFD. */
void otlp_add_string_attribute(struct buf *out, unsigned field, const char *key, const char *value, size_t bytes);
void otlp_add_attribute(struct buf *out, unsigned field, const struct tel_attr *attr);

/*
 * A request is {1: {resource, schema_url, 2: {scope, schema_url, 2: item, …}}} for spans, metrics and log records alike
 * (ExportTraceServiceRequest, ResourceSpans, ScopeSpans, and so on). These append the parts that do not depend on the
 * items: the fields of ResourceSpans, then the fields of ScopeSpans. `version` may be "".
 */
void otlp_add_resource(struct buf *out, const struct resource_attr *attrs, size_t count);
void otlp_add_scope(struct buf *out, const char *name, const char *version);

/* Number of the field that an item is in its scope's message. */
#define OTLP_ITEM 2

/* Room that the beginning of a request needs at most. */
size_t otlp_head_size_max(const struct buf *resource, const struct buf *scope);

/*
 * Writes the beginning of a request into the bytes before `items`, of which there must be otlp_head_size_max. The
 * request is what begins at the result and ends with the `items_bytes` bytes at `items`.
 */
char *otlp_write_head(char *items, size_t items_bytes, const struct buf *resource, const struct buf *scope);

#endif
