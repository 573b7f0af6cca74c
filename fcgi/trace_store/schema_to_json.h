/* SPDX-License-Identifier: MIT */
/* OTLP from protobuf to JSON; schema_from_json.h is the way back. */
#ifndef APM_TRACE_STORE_SCHEMA_TO_JSON_H
#define APM_TRACE_STORE_SCHEMA_TO_JSON_H

#include "base/json_write.h"
#include "trace_store/schema.h"

/*
 * Writes the message as an object, as Tempo's API does: proto3 JSON, so identifiers are base64, 64-bit integers are
 * strings, enumerations are names. `bytes` must be schema_valid.
 */
void schema_to_json(struct json_writer *json, const struct schema_message *message, struct slice bytes);

/* The members alone, into an object that is open. */
void schema_to_json_members(struct json_writer *json, const struct schema_message *message, struct slice bytes);

/* A number, or in quotes what JSON has no number for: NaN and the infinities, as ProtoJSON names them. */
void schema_to_json_double(struct json_writer *json, double value);

#endif
