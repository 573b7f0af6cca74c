/* SPDX-License-Identifier: MIT */
#include "http/json_body.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "base/utf8.h"
#include "http/json_check.h"

bool json_body_type(const char *content_type)
{
	static const char type[] = "application/json";
	const char *rest = content_type + sizeof(type) - 1;

	if (!ascii_same_start(content_type, type, sizeof(type) - 1))
		return false;
	return rest[strspn(rest, " \t")] == '\0' || rest[strspn(rest, " \t")] == ';';
}

static struct json_object *parse(const char *text, size_t len)
{
	struct json_tokener *tokener = json_tokener_new_ex(JSON_BODY_DEPTH + 1);

	if (!tokener)
		abort();
	struct json_object *object = json_tokener_parse_ex(tokener, text, (int)len);
	json_tokener_free(tokener);
	return object;
}

/* NULL: an object that json-c can keep. */
static const char *objection(const char *text, const struct json_shape *shape)
{
	if (text[strspn(text, " \t\r\n")] != '{')
		return "must be an object";
	if (shape->depth > JSON_BODY_DEPTH)
		return "is nested too deeply";
	if (shape->escaped_nul)
		return "must not contain U+0000";
	if (shape->lone_surrogates)
		return "must not contain half a surrogate pair";
	return NULL;
}

struct json_object *json_body_parse(const char *text, size_t len, struct json_fault *fault)
{
	struct json_object *object = NULL;
	struct json_shape shape;

	*fault = (struct json_fault){0};
	if (!utf8_valid(text, len)) {
		*fault = (struct json_fault){422, "must be valid UTF-8"};
	} else if (!json_check(text, len, &shape)) {
		*fault = (struct json_fault){400, len ? "The body is not valid JSON." : "The body is empty."};
	} else {
		fault->detail = objection(text, &shape);
		fault->status = fault->detail ? 422 : 0;
	}
	if (!fault->status && !(object = parse(text, len)))
		*fault = (struct json_fault){400, "The body is not valid JSON."};
	return object;
}

void json_body_free(struct json_object *object)
{
	json_object_put(object);
}

struct json_member json_body_member(struct json_object *object, const char *name)
{
	struct json_object *value;
	struct json_member member = {.kind = JSON_ABSENT};

	if (!json_object_object_get_ex(object, name, &value))
		return member;
	switch (json_object_get_type(value)) {
	case json_type_string:
		member.kind = JSON_STRING;
		member.text.data = json_object_get_string(value);
		member.text.len = (size_t)json_object_get_string_len(value);
		break;
	case json_type_int:
		member.kind = JSON_INTEGER;
		member.integer = json_object_get_int64(value);
		member.number = json_object_get_double(value);
		break;
	case json_type_double:
		member.kind = JSON_FRACTION;
		member.number = json_object_get_double(value);
		break;
	default: member.kind = JSON_OTHER; break;
	}
	return member;
}

void json_body_names(struct json_object *object, void (*each)(void *arg, const char *name), void *arg)
{
	json_object_object_foreach(object, name, value)
	{
		(void)value;
		each(arg, name);
	}
}
