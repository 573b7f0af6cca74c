/* SPDX-License-Identifier: MIT */
/* Reads a flat JSON object where it stands: one pass, no copy, no allocation. */
#ifndef APM_GATEWAY_JSON_SCAN_H
#define APM_GATEWAY_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

/* `at` is where reading goes on or has failed; from there on the input is untouched. */
struct json_scan {
	char *at;
	char *end;
	bool started, last;
};

enum json_scanned { JSON_SCAN_MEMBER, JSON_SCAN_END, JSON_SCAN_BROKEN };

/* Starts on an object; the bytes stay the caller's. */
void json_scan_init(struct json_scan *s, char *object, size_t len);

/*
 * The next member. Strings are unescaped and values NUL-terminated in place (a NUL may also be inside, from \u0000);
 * key and value point into the input, the key has no NUL. Numbers, true, false and null come as they were written.
 * Nested objects and arrays, and anything behind the object, are JSON_SCAN_BROKEN.
 */
enum json_scanned json_scan_next(struct json_scan *s, struct slice *key, struct slice *value);

#endif
