/* SPDX-License-Identifier: MIT */
/*
 * A JSON text (RFC 8259) as bytes from a client: all of it, strictly, or a reason. The only place that knows json-c.
 */
#ifndef APM_HTTP_JSON_BODY_H
#define APM_HTTP_JSON_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct json_object;

#define JSON_BODY_DEPTH 32 /* levels of nesting */

/* What is the matter with a text, as an answer says it. `status` 0: nothing. */
struct json_fault {
	int status;         /* 400: not JSON; 422: JSON, but not an object that can be kept as it is */
	const char *detail; /* literal */
};

/* True for application/json, whatever its parameters. */
bool json_body_type(const char *content_type);

/*
 * Parses `bytes` bytes (64 KiB at most) of `text`, which a NUL follows. The object is the caller's, to be freed by
 * json_body_free. NULL: `fault` says why. Of members of the same name the last wins. Pure.
 */
struct json_object *json_body_parse(const char *text, size_t len, struct json_fault *fault);

/* NULL does nothing. */
void json_body_free(struct json_object *object);

enum json_kind { JSON_ABSENT, JSON_STRING, JSON_INTEGER, JSON_FRACTION, JSON_OTHER };

struct json_member {
	enum json_kind kind;
	struct slice text; /* of a string; a NUL follows, it lives as long as the object */
	int64_t integer;   /* of a number without fraction and exponent; the nearest int64_t when it is too large */
	double number;     /* of any number; may be infinite or NaN */
};

struct json_member json_body_member(struct json_object *object, const char *name);

/* Calls `each` with the name of every member. */
void json_body_names(struct json_object *object, void (*each)(void *arg, const char *name), void *arg);

#endif
