/* SPDX-License-Identifier: MIT */
#include "trace_store/selector_parser.h"

#include <string.h>

#include "trace_store/schema.h"

static const struct selector_intrinsic_name intrinsics[] = {
	{"name", SELECT_NAME, SELECT_TEXT},
	{"span:name", SELECT_NAME, SELECT_TEXT},
	{"kind", SELECT_KIND, SELECT_A_KIND},
	{"span:kind", SELECT_KIND, SELECT_A_KIND},
	{"status", SELECT_STATUS, SELECT_A_STATUS},
	{"span:status", SELECT_STATUS, SELECT_A_STATUS},
	{"statusMessage", SELECT_STATUS_MESSAGE, SELECT_TEXT},
	{"span:statusMessage", SELECT_STATUS_MESSAGE, SELECT_TEXT},
	{"duration", SELECT_DURATION, SELECT_A_DURATION},
	{"span:duration", SELECT_DURATION, SELECT_A_DURATION},
	{"span:id", SELECT_SPAN_ID, SELECT_TEXT},
	{"span:parentID", SELECT_PARENT_ID, SELECT_TEXT},
	{"trace:id", SELECT_TRACE_ID, SELECT_TEXT},
	{"rootName", SELECT_ROOT_NAME, SELECT_TEXT},
	{"trace:rootName", SELECT_ROOT_NAME, SELECT_TEXT},
	{"rootServiceName", SELECT_ROOT_SERVICE, SELECT_TEXT},
	{"trace:rootService", SELECT_ROOT_SERVICE, SELECT_TEXT},
	{"traceDuration", SELECT_TRACE_DURATION, SELECT_A_DURATION},
	{"trace:duration", SELECT_TRACE_DURATION, SELECT_A_DURATION},
	{"event:name", SELECT_EVENT_NAME, SELECT_TEXT},
	{"instrumentation:name", SELECT_SCOPE_NAME, SELECT_TEXT},
	{"instrumentation:version", SELECT_SCOPE_VERSION, SELECT_TEXT},
};

static const struct {
	const char *prefix;
	enum selector_field field;
} scopes[] = {
	{"resource.", SELECT_RESOURCE}, {"span.", SELECT_SPAN},  {"event.", SELECT_EVENT},
	{"link.", SELECT_LINK},         {".", SELECT_ATTRIBUTE}, {"instrumentation.", SELECT_SCOPE},
};

static const char *const foreign[] = {
	"childCount",      "span:childCount", "nestedSetLeft", "nestedSetRight",
	"nestedSetParent", "parent",          "parent.",       "event:timeSinceStart",
	"link:traceID",    "link:spanID",     "true",          "false",
};

/* ---- names ---- */

const struct selector_intrinsic_name *selector_find_intrinsic(struct slice name)
{
	for (size_t i = 0; i < sizeof(intrinsics) / sizeof(*intrinsics); i++)
		if (slice_equal(name, slice_of(intrinsics[i].text)))
			return &intrinsics[i];
	return NULL;
}

bool selector_intrinsic(struct slice name, enum selector_field *field)
{
	const struct selector_intrinsic_name *found = selector_find_intrinsic(name);

	if (found)
		*field = found->field;
	return found != NULL;
}

const char *selector_intrinsic_at(size_t index)
{
	return index < sizeof(intrinsics) / sizeof(*intrinsics) ? intrinsics[index].text : NULL;
}

bool selector_is_foreign(struct slice name)
{
	for (size_t i = 0; i < sizeof(foreign) / sizeof(*foreign); i++) {
		size_t len = strlen(foreign[i]);
		bool is_scope = foreign[i][len - 1] == '.';
		if (is_scope ? name.len > len && memcmp(name.data, foreign[i], len) == 0
			     : slice_equal(name, slice_of(foreign[i])))
			return true;
	}
	return false;
}

size_t selector_scope(struct slice name, enum selector_field *field)
{
	for (size_t i = 0; i < sizeof(scopes) / sizeof(*scopes); i++) {
		size_t len = strlen(scopes[i].prefix);
		if (name.len >= len && memcmp(name.data, scopes[i].prefix, len) == 0) {
			*field = scopes[i].field;
			return len;
		}
	}
	return 0;
}

static const struct schema_name *names_of(enum selector_field field)
{
	return field == SELECT_KIND ? schema_span_kinds : field == SELECT_STATUS ? schema_status_codes : NULL;
}

const char *selector_name_of(enum selector_field field, uint32_t number)
{
	const struct schema_name *names = names_of(field);
	uint32_t count = 0;

	while (names && names[count].json && count < number)
		count++;
	return names ? names[count].traceql : NULL;
}

bool selector_find_name(enum selector_field field, struct slice name, struct value *out)
{
	const struct schema_name *names = names_of(field);

	for (uint32_t i = 0; names && names[i].json; i++) {
		if (slice_equal(name, slice_of(names[i].traceql))) {
			*out = (struct value){.type = VALUE_NUMBER, .number = i};
			return true;
		}
	}
	return false;
}

/* ---- texts ---- */

static void keep_char(struct selector *s, struct slice *out, char c)
{
	if (s->used < sizeof(s->text)) {
		s->text[s->used++] = c;
		out->len++;
	}
}

struct slice selector_keep(struct selector *s, const char *p, size_t len)
{
	struct slice out = {s->text + s->used, 0};

	for (size_t i = 0; i < len; i++)
		keep_char(s, &out, p[i]);
	return out;
}

const char *selector_quoted(struct selector *s, const char *p, struct slice *out)
{
	char quote = *p++;

	*out = (struct slice){s->text + s->used, 0};
	for (; *p && *p != quote; p++) {
		if (*p == '\\' && quote == '"') {
			p++;
			if (*p == '\0')
				return NULL;
			keep_char(s, out, (char)(*p == 'n' ? '\n' : *p == 't' ? '\t' : *p == 'r' ? '\r' : *p));
		} else {
			keep_char(s, out, *p);
		}
	}
	return *p ? p + 1 : NULL;
}
