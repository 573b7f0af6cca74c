/* SPDX-License-Identifier: MIT */
/* Numbers of proto3's JSON: as a number of JSON or as a text, exact, and refused rather than bent. */
#ifndef APM_TRACE_STORE_JSON_NUMBER_H
#define APM_TRACE_STORE_JSON_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum json_number {
	JSON_NUMBER_GOOD,
	JSON_NUMBER_MALFORMED, /* not a number, or longer than 1000 characters where it is to be a double */
	JSON_NUMBER_FRACTION,
	JSON_NUMBER_RANGE /* more than the type holds */
};

/*
 * A whole number, however it is written: 1, 1.0, 100e-2. `is_signed`: *out is an int64_t, otherwise a uint64_t. Pure.
 */
enum json_number json_number_integer(const char *text, size_t len, bool is_signed, uint64_t *out);

/* The nearest double; -0.0 keeps its sign; NaN, Infinity and -Infinity are taken. Pure. */
enum json_number json_number_double(const char *text, size_t len, double *out);

#endif
