/* OTLP from JSON to protobuf. */
#ifndef APM_TRACES_FROM_JSON_H
#define APM_TRACES_FROM_JSON_H

#include "base/buf.h"
#include "traces/schema.h"

/*
 * Appends the message that `text` (a NUL follows) says in the JSON of OTLP 1.x: identifiers in hexadecimal, 64-bit
 * integers as strings or numbers, enumerations as numbers; also what to_json writes. Unknown members are skipped.
 * False: not JSON, not such a message, or more than `out` holds; what was added then is of no use. Pure.
 */
bool from_json(const struct schema_message *message, struct bytes text, struct buf *out);

#endif
