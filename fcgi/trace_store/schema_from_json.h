/* SPDX-License-Identifier: MIT */
/* OTLP from JSON to protobuf. */
#ifndef APM_TRACE_STORE_SCHEMA_FROM_JSON_H
#define APM_TRACE_STORE_SCHEMA_FROM_JSON_H

#include "base/buf.h"
#include "trace_store/schema.h"

/* What is the matter with a text. */
struct schema_json_fault {
	size_t at;          /* the byte, from 0 */
	const char *member; /* the name of the member that it is in; NULL: it is not JSON */
	const char *why;    /* a literal */
};

/*
 * Appends the message that `text` says in the JSON of OTLP 1.x: identifiers in hexadecimal, 64-bit integers as texts or
 * numbers, enumerations as numbers; also what schema_to_json writes, and all else that proto3's JSON lets a sender
 * write: names_with_underscores, names of enumerations, numbers as texts and in any notation, null as absent (and for a
 * value in an array as empty). Unknown members are skipped; a member that comes twice is refused, and so is a number
 * that its type cannot hold. No tree is made: memory is that of `out`, time is linear in the text.
 *
 * False: not JSON, not such a message (*fault tells), or more than `out` holds (out->failed); what was added then is of
 * no use. Pure.
 */
bool schema_from_json(const struct schema_message *message, struct slice text, struct buf *out,
		      struct schema_json_fault *fault);

#endif
