/* SPDX-License-Identifier: MIT */
/* What a search may ask for: TraceQL, tags, durations. Keys and values stay within the selector's own text. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/lib/trace_request.h"
#include "trace_store/selection.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_within(const struct selector *s, struct slice text)
{
	assert(text.len == 0 || (text.data >= s->text && text.data + text.len <= s->text + s->used));
}

static void check(const struct selector *s, bool good, const struct selector_error *error)
{
	assert(s->count <= SELECTOR_CONDITIONS_MAX && s->used <= sizeof(s->text));
	assert(good || error->text[0]);
	for (size_t i = 0; i < s->count; i++) {
		if (s->conditions[i].field <= SELECT_LINK)
			check_within(s, s->conditions[i].key);
		check_within(s, s->conditions[i].value.text);
	}
}

/* A trace of one span that has what many queries ask for. */
static void make_trace(struct trace *trace, struct buf *request)
{
	size_t begins[2];

	request_begin(request, "users", begins);
	add_span(request, &(struct test_span){1, 1, 0, "GET /users", 2, 2, 1000, 5000}, 64);
	request_end(request, begins);
	trace_request(trace, (struct slice){request->data, request->len});
	trace_finish(trace);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct selector *s = calloc(1, sizeof(*s));
	char *text = malloc(size + 1);
	struct selector_error error = {""};
	struct budget budget;
	struct trace trace;
	BUF(request, 10000);
	uint64_t ns;

	assert(s && text);
	memcpy(text, data, size);
	text[size] = '\0';
	budget_init(&budget, 10000000, UINT64_C(60000000000));
	trace_init(&trace, &budget);
	make_trace(&trace, &request);
	bool good = selector_parse(s, text, &error);
	check(s, good, &error);
	if (good)
		selection_matches_trace(s, &trace, &budget);
	selector_done(s);
	error.text[0] = '\0';
	good = selector_parse_tags(s, text, &error);
	check(s, good, &error);
	if (good)
		selection_matches_trace(s, &trace, &budget);
	selector_done(s);
	/* whatever is asked, it costs no more than its length allows */
	assert(!budget.spent);
	selector_duration(text, &ns);
	trace_done(&trace);
	free(text);
	free(s);
	return 0;
}
