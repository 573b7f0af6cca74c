/* SPDX-License-Identifier: MIT */
/* A line of the access log: every text stays inside the line, spans are well formed, JSON means what json-c says. */
#include <assert.h>
#include <json-c/json.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/access_log.h"
#include "gateway/access_span.h"
#include "gateway/json_scan.h"
#include "tel/src/span.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *copy(const uint8_t *data, size_t size)
{
	char *line = malloc(size ? size : 1);

	assert(line);
	memcpy(line, data, size);
	return line;
}

static void check_text(const struct slice *text, const char *line, size_t size)
{
	assert(text->data[text->len] == '\0');
	if (text->len)
		assert(text->data >= line && text->data + text->len < line + size);
}

static bool has_threshold(const char *tracestate)
{
	return tracestate && (strncmp(tracestate, "ot=th:", 6) == 0 || strstr(tracestate, ",ot=th:"));
}

static void check_spans(const struct access_line *facts)
{
	static struct tel_parent context;
	struct tel_span server, span, again;

	span_configure(true, &(struct sampler){0}, NULL);
	access_span_context(facts, &context);
	for (size_t i = 0; i < access_span_count(facts); i++) {
		access_span_make(facts, i, &span);
		tel_span_set_tracestate(&span, &context);
		assert(!span_of(&span)->tracestate || strlen(span_of(&span)->tracestate) <= TEL_TRACESTATE_MAX);
		assert(!facts->resampled || !has_threshold(span_of(&span)->tracestate));
		if (i == 0)
			server = span;
		assert(span_of(&span)->start_ns <= span_of(&span)->end_ns);
		assert(span_of(&span)->start_ns >= span_of(&server)->start_ns &&
		       span_of(&span)->end_ns <= span_of(&server)->end_ns);
		assert(memcmp(span_of(&span)->span_id, "\0\0\0\0\0\0\0", 8) != 0);
		assert(i == 0 || memcmp(span_of(&span)->parent_span_id, span_of(&server)->span_id, 8) == 0);
		assert(span_of(&span)->used <= SPAN_DATA_BYTES);
		access_span_make(facts, i, &again);
		assert(memcmp(span_of(&span)->span_id, span_of(&again)->span_id, 8) == 0 &&
		       span_of(&span)->used == span_of(&again)->used);
	}
}

static void check_facts(const uint8_t *data, size_t size)
{
	char *line = copy(data, size);
	struct access_line facts;
	bool cut;

	if (access_log_parse(line, size, &facts, &cut)) {
		const struct slice *const texts[] = {
			&facts.method, &facts.route,  &facts.path,       &facts.query,    &facts.host,
			&facts.scheme, &facts.client, &facts.user_agent, &facts.protocol, &facts.trace_state};
		for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
			check_text(texts[i], line, size);
		assert(facts.attempt_count <= ACCESS_ATTEMPTS_MAX);
		for (size_t i = 0; i < facts.attempt_count; i++) {
			const struct slice *address = &facts.attempts[i].address;
			assert(!address->len || (address->data >= line && address->data + address->len < line + size));
		}
		check_spans(&facts);
	}
	free(line);
}

/* What both read alike; json-c ends keys at a NUL, and sees lone surrogates differently. */
static bool is_comparable(const uint8_t *data, size_t size)
{
	static const char *const others[] = {"\\u0000", "\\ud", "\\uD"};

	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (memmem(data, size, others[i], strlen(others[i])))
			return false;
	return !memchr(data, 0, size) && !memchr(data, '\n', size) && !memchr(data, '\r', size);
}

static bool is_flat(struct json_object *object)
{
	if (!json_object_is_type(object, json_type_object))
		return false;
	json_object_object_foreach(object, key, value)
	{
		(void)key;
		if (json_object_is_type(value, json_type_object) || json_object_is_type(value, json_type_array))
			return false;
	}
	return true;
}

/* Of a member that comes twice json-c keeps the last, so that a nested value may not be seen any more. */
static bool may_have_nested(const char *line, size_t size)
{
	return memchr(line, '[', size) || memrchr(line, '{', size) != memchr(line, '{', size);
}

/* The value that json-c took is that of the last member with the key. */
static void compare(struct json_object *object, char *line, size_t size)
{
	struct json_scan s;
	struct slice key, value, last = {0};
	enum json_scanned result;

	json_object_object_foreach(object, name, expected)
	{
		char *fresh = copy((const uint8_t *)line, size);
		bool found = false;

		json_scan_init(&s, fresh, size);
		while ((result = json_scan_next(&s, &key, &value)) == JSON_SCAN_MEMBER) {
			if (key.len != strlen(name) || memcmp(key.data, name, key.len) != 0)
				continue;
			last = value;
			found = true;
		}
		assert(result == JSON_SCAN_END || may_have_nested(line, size));
		assert(found || result != JSON_SCAN_END);
		if (result == JSON_SCAN_END && json_object_is_type(expected, json_type_string)) {
			assert(last.len == (size_t)json_object_get_string_len(expected));
			assert(memcmp(last.data, json_object_get_string(expected), last.len) == 0);
		}
		free(fresh);
	}
}

static void check_json(const uint8_t *data, size_t size)
{
	struct json_tokener *tokener;

	if (size == 0 || size > 10000 || !is_comparable(data, size))
		return;
	tokener = json_tokener_new();
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
	struct json_object *object = json_tokener_parse_ex(tokener, (const char *)data, (int)size);
	if (object && json_tokener_get_parse_end(tokener) == size && is_flat(object)) {
		char *line = copy(data, size);
		compare(object, line, size);
		free(line);
	}
	json_object_put(object);
	json_tokener_free(tokener);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_facts(data, size);
	check_json(data, size);
	return 0;
}
