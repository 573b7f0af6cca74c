/* SPDX-License-Identifier: MIT */
/*
 * The grammar of RFC 8259, exactly: json-c takes more than it, even when told to be strict ('a', 1., 00, NaN), and
 * changes what it cannot keep (U+0000 in a name, half a surrogate pair).
 */
#ifndef APM_HTTP_JSON_CHECK_H
#define APM_HTTP_JSON_CHECK_H

#include <stdbool.h>
#include <stddef.h>

struct json_shape {
	size_t depth;         /* the most levels of arrays and objects */
	bool escaped_nul;     /* some string has \u0000 */
	bool lone_surrogates; /* some string has half a pair */
};

/*
 * True when `bytes` bytes of valid UTF-8, which a NUL follows, are one JSON value with white space around it. `bytes`
 * is JSON_CHECK_MAX at most. Pure; no recursion.
 */
bool json_check(const char *text, size_t bytes, struct json_shape *out);

#define JSON_CHECK_MAX 65536

#endif
