/* SPDX-License-Identifier: MIT */
#include "tel/src/otlp_common.h"

#include <string.h>

#include "tel/src/resource.h"
#include "tel/tel.h"

#define SCHEMA_URL "https://opentelemetry.io/schemas/1.44.0"

/* ---- KeyValue{key=1,value=2} AnyValue{string=1,bool=2,int=3,double=4} ---- */

/* Nearly every attribute: with its sizes known beforehand it is written in one go. */
static void add_text_attribute(struct buf *out, unsigned field, const char *key, size_t key_bytes, const char *value,
			       size_t bytes)
{
	size_t any = protobuf_field_size(bytes);
	size_t pair = protobuf_field_size(key_bytes) + protobuf_field_size(any);
	char *p = protobuf_room(out, protobuf_field_size(pair));

	if (!p)
		return;
	p = protobuf_put_length(p, field, pair);
	p = protobuf_put_bytes(p, 1, key, key_bytes);
	p = protobuf_put_length(p, 2, any);
	protobuf_commit(out, protobuf_put_bytes(p, 1, value, bytes));
}

void otlp_add_string_attribute(struct buf *out, unsigned field, const char *key, const char *value, size_t bytes)
{
	size_t key_bytes = strlen(key);

	if (protobuf_is_text(key, key_bytes) && protobuf_is_text(value, bytes)) {
		add_text_attribute(out, field, key, key_bytes, value, bytes);
		return;
	}
	size_t pair = protobuf_begin(out, field);
	protobuf_add_text(out, 1, key, key_bytes);
	size_t any = protobuf_begin(out, 2);
	protobuf_add_text(out, 1, value, bytes);
	protobuf_end(out, any);
	protobuf_end(out, pair);
}

void otlp_add_attribute(struct buf *out, unsigned field, const struct tel_attr *attr)
{
	if (attr->type == TEL_TYPE_STRING || attr->type == TEL_TYPE_LITERAL) {
		otlp_add_string_attribute(out, field, attr->key, attr->value.text, attr->bytes);
		return;
	}
	size_t pair = protobuf_begin(out, field);
	protobuf_add_text(out, 1, attr->key, strlen(attr->key));
	size_t any = protobuf_begin(out, 2);
	if (attr->type == TEL_TYPE_BOOL)
		protobuf_add_varint(out, 2, attr->value.number != 0);
	else if (attr->type == TEL_TYPE_INT)
		protobuf_add_varint(out, 3, (uint64_t)attr->value.number);
	else
		protobuf_add_double(out, 4, attr->value.real);
	protobuf_end(out, any);
	protobuf_end(out, pair);
}

/* ---- what is around the items ---- */

/* ResourceSpans{resource=1{attributes=1},schema_url=3} */
void otlp_add_resource(struct buf *out, const struct resource_attr *attrs, size_t count)
{
	size_t resource = protobuf_begin(out, 1);

	for (size_t i = 0; i < count; i++)
		otlp_add_string_attribute(out, 1, attrs[i].key, attrs[i].value, strlen(attrs[i].value));
	protobuf_end(out, resource);
	protobuf_add_bytes(out, 3, SCHEMA_URL, strlen(SCHEMA_URL));
}

/* ScopeSpans{scope=1{name=1,version=2},schema_url=3} */
void otlp_add_scope(struct buf *out, const char *name, const char *version)
{
	size_t scope = protobuf_begin(out, 1);

	protobuf_add_text(out, 1, name, strlen(name));
	if (*version)
		protobuf_add_text(out, 2, version, strlen(version));
	protobuf_end(out, scope);
	protobuf_add_bytes(out, 3, SCHEMA_URL, strlen(SCHEMA_URL));
}

size_t otlp_head_size_max(const struct buf *resource, const struct buf *scope)
{
	return resource->len + scope->len + 4 * PROTOBUF_VARINT_MAX;
}

char *otlp_write_head(char *items, size_t items_bytes, const struct buf *resource, const struct buf *scope)
{
	size_t in_scope = scope->len + items_bytes;
	size_t in_resource = resource->len + protobuf_field_size(in_scope);
	size_t head_bytes = protobuf_field_size(in_resource) - items_bytes;
	char *head = items - head_bytes;

	char *p = protobuf_put_length(head, 1, in_resource);
	memcpy(p, resource->data, resource->len);
	p = protobuf_put_length(p + resource->len, 2, in_scope);
	memcpy(p, scope->data, scope->len);
	return head;
}
