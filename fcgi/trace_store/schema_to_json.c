/* SPDX-License-Identifier: MIT */
#include "trace_store/schema_to_json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* RFC 4648, with padding. */
static void write_base64(struct json_writer *json, struct slice bytes)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	BUF(text, bytes.len / 3 * 4 + 8);

	for (size_t i = 0; i < bytes.len; i += 3) {
		size_t have = bytes.len - i < 3 ? bytes.len - i : 3;
		uint32_t group = 0;
		char out[4];

		for (size_t k = 0; k < 3; k++)
			group = group << 8 | (k < have ? (unsigned char)bytes.data[i + k] : 0);
		for (size_t k = 0; k < 4; k++)
			out[k] = (char)(k <= have ? digits[group >> (18 - 6 * k) & 63] : '=');
		buf_add(&text, out, 4);
	}
	json_string(json, text.len ? text.data : "", text.len);
}

/* JavaScript's numbers are exact up to 2^53 only: proto3 JSON writes 64 bits as text. */
static void write_int64(struct json_writer *json, int64_t value)
{
	char text[24];

	json_string(json, text, (size_t)snprintf(text, sizeof(text), "%" PRId64, value));
}

static void write_uint64(struct json_writer *json, uint64_t value)
{
	char text[24];

	json_string(json, text, (size_t)snprintf(text, sizeof(text), "%" PRIu64, value));
}

void schema_to_json_double(struct json_writer *json, double value)
{
	if (isfinite(value))
		json_double(json, value);
	else
		json_text(json, isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity");
}

static void write_double(struct json_writer *json, uint64_t bits)
{
	double value;

	memcpy(&value, &bits, sizeof(value));
	schema_to_json_double(json, value);
}

static void write_enum(struct json_writer *json, const struct schema_field *field, uint64_t value)
{
	int32_t number = (int32_t)value; /* as protobuf reads it; it may have no name */
	int32_t count = 0;

	while (field->names[count].json)
		count++;
	if (number >= 0 && number < count)
		json_text(json, field->names[number].json);
	else
		json_int(json, number);
}

/* NOLINTBEGIN(misc-no-recursion): as deep as SCHEMA_DEPTH_MAX */
static void write_value(struct json_writer *json, const struct schema_field *field, const struct protobuf_field *found)
{
	switch (field->type) {
	case SCHEMA_STRING: json_string(json, found->bytes.data, found->bytes.len); break;
	case SCHEMA_BYTES:
	case SCHEMA_ID: write_base64(json, found->bytes); break;
	case SCHEMA_BOOL: json_boolean(json, found->value != 0); break;
	case SCHEMA_INT64: write_int64(json, (int64_t)found->value); break;
	case SCHEMA_UINT32:
	case SCHEMA_FIXED32: json_int(json, (uint32_t)found->value); break;
	case SCHEMA_ENUM: write_enum(json, field, found->value); break;
	case SCHEMA_DOUBLE: write_double(json, found->value); break;
	case SCHEMA_FIXED64: write_uint64(json, found->value); break;
	case SCHEMA_MESSAGE: schema_to_json(json, field->message, found->bytes); break;
	}
}

/* Fields may come in any order, so the message is looked through once for each. */
static void write_field(struct json_writer *json, const struct schema_field *field, struct slice bytes)
{
	struct protobuf reader = protobuf_reader(bytes);
	struct protobuf_field found;
	bool open = false;

	while (protobuf_next(&reader, &found)) {
		if (found.number != field->number)
			continue;
		if (!open) {
			json_key(json, field->name);
			if (field->repeated)
				json_begin_array(json);
		}
		open = true;
		write_value(json, field, &found);
	}
	if (open && field->repeated)
		json_end_array(json);
}

void schema_to_json_members(struct json_writer *json, const struct schema_message *message, struct slice bytes)
{
	for (const struct schema_field *field = message->fields; field->number; field++)
		write_field(json, field, bytes);
}

void schema_to_json(struct json_writer *json, const struct schema_message *message, struct slice bytes)
{
	json_begin_object(json);
	schema_to_json_members(json, message, bytes);
	json_end_object(json);
}

/* NOLINTEND(misc-no-recursion) */
