/* SPDX-License-Identifier: MIT */
/* Reads the JSON of OTLP as protobuf. */
#ifndef APM_TRACE_STORE_SCHEMA_FROM_JSON_H
#define APM_TRACE_STORE_SCHEMA_FROM_JSON_H

#include "base/buf.h"
#include "trace_store/schema.h"

/* Why a text was refused. */
struct schema_json_fault {
	size_t at;          /* offset of the byte */
	const char *member; /* name of the member that it is in; NULL if the text is not JSON */
	const char *why;    /* a literal */
};

/*
 * Appends the message that `text` has in the JSON of OTLP 1.x: identifiers in hexadecimal, 64-bit integers as strings
 * or numbers, enumerations as numbers. It accepts what schema_to_json writes as well, and whatever else proto3's JSON
 * allows: names_with_underscores, names of enumerations, numbers as strings and in any notation, and null, which means
 * absent, or an empty value in an array. Unknown members are skipped. A member that comes twice is refused, and so is a
 * number that its type cannot hold. No tree is made: the memory is that of `out`, and the time is linear in the text.
 * Returns false if it is not JSON or not such a message (*fault tells), or does not fit into `out` (out->failed); what
 * was appended is then of no use. Pure.
 */
bool schema_from_json(const struct schema_message *message, struct slice text, struct buf *out,
		      struct schema_json_fault *fault);

#endif
