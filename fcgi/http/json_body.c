/* SPDX-License-Identifier: MIT */
#include "http/json_body.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "base/buf.h"
#include "base/json_lex.h"
#include "base/utf8.h"

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

/* Returns why the name or string that was read last cannot be kept as it is, or NULL. */
static const char *judge_escapes(const struct json_lex *lex, struct buf *text)
{
	struct json_lex copy = *lex; /* which keeps the fault */

	buf_reset(text);
	if (!json_lex_text(&copy, text))
		return "must not contain half a surrogate pair";
	return memchr(text->data, '\0', text->len) ? "must not contain U+0000" : NULL;
}

static struct json_fault judge(const char *text, size_t len)
{
	BUF(unescaped, JSON_BODY_MAX);
	const char *fault = NULL;
	unsigned depth = 0;
	struct json_lex lex;
	enum json_token token;

	json_lex_begin(&lex, text, len);
	while ((token = json_lex_next(&lex)) > JSON_LEX_END) {
		if (token == JSON_LEX_OBJECT_END || token == JSON_LEX_ARRAY_END)
			depth--;
		else if ((token == JSON_LEX_OBJECT || token == JSON_LEX_ARRAY) && ++depth > JSON_BODY_DEPTH)
			return (struct json_fault){422, "is nested too deeply"};
		else if (!fault && lex.len && lex.escaped && (token == JSON_LEX_NAME || token == JSON_LEX_STRING))
			fault = judge_escapes(&lex, &unescaped);
	}
	if (token == JSON_LEX_BAD)
		return (struct json_fault){400, len ? "The body is not valid JSON." : "The body is empty."};
	if (text[strspn(text, " \t\r\n")] != '{')
		fault = "must be an object";
	return (struct json_fault){fault ? 422 : 0, fault};
}

struct json_object *json_body_parse(const char *text, size_t len, struct json_fault *fault)
{
	struct json_object *object = NULL;

	*fault = utf8_valid(text, len) ? judge(text, len) : (struct json_fault){422, "must be valid UTF-8"};
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
