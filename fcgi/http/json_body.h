/* SPDX-License-Identifier: MIT */
/*
 * A JSON text (RFC 8259) from a client: all of it, strictly, or the reason why not. The only place that knows json-c.
 *
 * The text is judged by base/json_lex before json-c makes an object of it, since json-c takes more than JSON also when
 * it is told to be strict: version 0.16 takes {'a':1}, 1., 00, -01, NaN, -Infinity and a tab or newline in a string. It
 * also changes what it cannot keep, in silence: "a\u0000b" as a name becomes "a", half a surrogate pair becomes U+FFFD.
 */
#ifndef APM_HTTP_JSON_BODY_H
#define APM_HTTP_JSON_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct json_object;

#define JSON_BODY_MAX 65536 /* bytes */
#define JSON_BODY_DEPTH 32  /* levels of nesting */

/* Why a body was refused, as the client is told. */
struct json_fault {
	int status; /* 0: it was not; 400: it is not JSON; 422: JSON, but not an object that can be kept as it is */
	const char *detail; /* literal */
};

/* Returns true for application/json, whatever its parameters. */
bool json_body_type(const char *content_type);

/*
 * Parses `len` bytes (JSON_BODY_MAX at most) of `text`, which a NUL follows. Returns an object that json_body_free
 * frees, or NULL, and `fault` says why. Of members of the same name the last one counts. What follows the level that is
 * too deep is not looked at. Pure.
 */
struct json_object *json_body_parse(const char *text, size_t len, struct json_fault *fault);

/* Does nothing for NULL. */
void json_body_free(struct json_object *object);

enum json_kind { JSON_ABSENT, JSON_STRING, JSON_INTEGER, JSON_FRACTION, JSON_OTHER };

struct json_member {
	enum json_kind kind;
	struct slice text; /* of a string; a NUL follows, it lives as long as the object */
	int64_t integer;   /* a number without fraction and exponent; the nearest int64_t if it is too large */
	double number;     /* any number; may be infinite or NaN */
};

struct json_member json_body_member(struct json_object *object, const char *name);

/* Calls `each` with the name of every member. */
void json_body_names(struct json_object *object, void (*each)(void *arg, const char *name), void *arg);

#endif
