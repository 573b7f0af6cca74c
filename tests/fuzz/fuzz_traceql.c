/* What a search may ask for: TraceQL, tags, durations. Keys and values stay within the selector's own text. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "traces/selector.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_within(const struct selector *s, struct bytes text)
{
	assert(text.len == 0 || (text.data >= s->text && text.data + text.len <= s->text + s->used));
}

static void check(const struct selector *s, bool good, const char *error)
{
	assert(s->count <= SELECTOR_CONDITIONS_MAX && s->used <= sizeof(s->text));
	assert(good || error);
	for (size_t i = 0; i < s->count; i++) {
		check_within(s, s->conditions[i].key);
		check_within(s, s->conditions[i].value.text);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct selector *s = calloc(1, sizeof(*s));
	char *text = malloc(size + 1);
	const char *error = NULL;
	uint64_t ns;

	assert(s && text);
	memcpy(text, data, size);
	text[size] = '\0';
	bool good = selector_parse(s, text, &error);
	check(s, good, error);
	/* it can be asked of a trace, here of an empty one */
	if (good)
		assert(!selector_trace(s, &(struct trace_summary){0}, (struct bytes){"", 0}));
	error = NULL;
	good = selector_parse_tags(s, text, &error);
	check(s, good, error);
	selector_duration(text, &ns);
	free(text);
	free(s);
	return 0;
}
