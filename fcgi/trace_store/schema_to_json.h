/* SPDX-License-Identifier: MIT */
/* Writes OTLP's protobuf as JSON. */
#ifndef APM_TRACE_STORE_SCHEMA_TO_JSON_H
#define APM_TRACE_STORE_SCHEMA_TO_JSON_H

#include "base/json_write.h"
#include "trace_store/schema.h"

/*
 * Writes the message as an object, as Tempo's API does, in proto3's JSON: identifiers are base64, 64-bit integers are
 * strings, enumerations are names. `bytes` must be schema_valid.
 */
void schema_to_json(struct json_writer *json, const struct schema_message *message, struct slice bytes);

/* Writes the members only, into an open object. */
void schema_to_json_members(struct json_writer *json, const struct schema_message *message, struct slice bytes);

/* Writes a number, or a string for NaN and the infinities, which JSON has no numbers for. */
void schema_to_json_double(struct json_writer *json, double value);

#endif
