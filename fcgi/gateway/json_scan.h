/* SPDX-License-Identifier: MIT */
/*
 * Reads a flat JSON object where it stands: one pass, no copy, no allocation. base/json_lex.h is strict and copies
 * texts with escapes; this reads what nginx writes of any request, in place: bytes that are not UTF-8, lone surrogates
 * and numbers such as 000.
 */
#ifndef APM_GATEWAY_JSON_SCAN_H
#define APM_GATEWAY_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

/* Reading goes on or has failed at `at`; from there on the input is unmodified. */
struct json_scan {
	char *at;
	char *end;
	bool started, last;
};

enum json_scanned { JSON_SCAN_MEMBER, JSON_SCAN_END, JSON_SCAN_BROKEN };

/* Starts on an object; the bytes stay the caller's. */
void json_scan_init(struct json_scan *s, char *object, size_t len);

/*
 * Reads the next member. Strings are unescaped and values NUL-terminated in place (a NUL may also be inside, from
 * \u0000); `name` and `value` point into the input, the name has no NUL. Numbers, true, false and null stay as they
 * were written. Returns JSON_SCAN_BROKEN for nested objects and arrays, and for anything after the object.
 */
enum json_scanned json_scan_next(struct json_scan *s, struct slice *name, struct slice *value);

#endif
