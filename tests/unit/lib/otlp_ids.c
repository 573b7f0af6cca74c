/* SPDX-License-Identifier: MIT */
#include "otlp_ids.h"

#include <stdlib.h>
#include <string.h>

static uint64_t otlp_varint(const uint8_t **at, const uint8_t *end)
{
	uint64_t value = 0;

	for (unsigned shift = 0; *at < end && shift < 64; shift += 7) {
		uint8_t byte = *(*at)++;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return value;
	}
	abort();
}

void otlp_each_span_id(const uint8_t *at, size_t bytes, int depth, void (*found)(const uint8_t *span_id))
{
	static const unsigned inner_field[] = {1, 2, 2, 2};
	const uint8_t *end = at + bytes;

	while (at < end) {
		uint64_t tag = otlp_varint(&at, end), length;
		switch (tag & 7) {
		case 0: otlp_varint(&at, end); continue;
		case 1: length = 8; break;
		case 2: length = otlp_varint(&at, end); break;
		case 5: length = 4; break;
		default: abort();
		}
		if (length > (size_t)(end - at))
			abort();
		if ((tag & 7) == 2 && tag >> 3 == inner_field[depth]) {
			if (depth < 3)
				otlp_each_span_id(at, length, depth + 1, found);
			else if (length == 8)
				found(at);
			else
				abort();
		}
		at += length;
	}
}
