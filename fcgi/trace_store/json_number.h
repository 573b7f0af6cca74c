/* SPDX-License-Identifier: MIT */
/*
 * Reads the numbers of proto3's JSON, which are numbers or strings. A number that its type cannot hold is refused, not
 * rounded.
 */
#ifndef APM_TRACE_STORE_JSON_NUMBER_H
#define APM_TRACE_STORE_JSON_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum json_number {
	JSON_NUMBER_GOOD,
	JSON_NUMBER_MALFORMED, /* not a number, or a double of more than 1000 characters */
	JSON_NUMBER_FRACTION,
	JSON_NUMBER_RANGE /* the type cannot hold it */
};

/* Reads a whole number in any notation: 1, 1.0, 100e-2. *out is an int64_t if `is_signed`, else a uint64_t. Pure. */
enum json_number json_number_integer(const char *text, size_t len, bool is_signed, uint64_t *out);

/* Reads the nearest double. -0.0 keeps its sign; NaN, Infinity and -Infinity are accepted. Pure. */
enum json_number json_number_double(const char *text, size_t len, double *out);

#endif
