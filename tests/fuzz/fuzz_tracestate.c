/* SPDX-License-Identifier: MIT */
/*
 * tracestate headers, one a line, against a second reading of W3C Trace Context level 2, section 3.3; and what the
 * sampler makes of them.
 */
#include <regex.h>

#include "header_lines.h"
#include "tel/src/probability.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_valid(const char *list)
{
	static regex_t regex;
	static bool ready;
	char *copy = strdup(list), *rest = copy, *member;
	bool valid = true;

	if (!ready)
		assert(regcomp(&regex, "^[a-z0-9][a-z0-9_*/@-]*=[ -+.-<>-~-]*[!-+.-<>-~-]$",
			       REG_EXTENDED | REG_NOSUB) == 0);
	ready = true;
	assert(copy);
	while (*list && (member = strsep(&rest, ","))) {
		size_t key = strcspn(member, "=");
		valid = valid && regexec(&regex, member, 0, NULL, 0) == 0 && key <= 256 &&
			strlen(member) - key - 1 <= 256;
	}
	free(copy);
	return valid;
}

/* Numbers stand for what the sampler may do. */
static void change(char *tracestate, int what)
{
	static const uint8_t trace_id[16] = {[9] = 0x48};

	switch (what) {
	case 0: probability_set_threshold(tracestate, UINT64_C(0x80000000000001)); break;
	case 1: probability_erase_threshold(tracestate); break;
	default: probability_check_threshold(tracestate, trace_id, what == 2);
	}
}

/* A changed list is a valid one, a second change of the same kind changes nothing, and R is what it was. */
static void check_changes(const char *tracestate)
{
	static const uint8_t trace_id[16] = {[9] = 0x48};
	uint64_t randomness = probability_randomness(tracestate, trace_id);

	for (int what = 0; what < 4; what++) {
		char changed[TEL_TRACESTATE_MAX + 1], again[TEL_TRACESTATE_MAX + 1];
		strcpy(changed, tracestate);
		change(changed, what);
		assert(strlen(changed) <= TEL_TRACESTATE_MAX && is_valid(changed));
		assert(probability_randomness(changed, trace_id) == randomness);
		strcpy(again, changed);
		change(again, what);
		assert(strcmp(again, changed) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct tel_parent parent;
	char *text = copy_text(data, size);
	char *want = malloc(size + 1);

	assert(want);
	offer_lines(&parent, "tracestate", text);
	size_t count = join_members(text, SIZE_MAX, want);
	if (count > 32 || !is_valid(want))
		want[0] = '\0';
	else if (strlen(want) > TEL_TRACESTATE_MAX)
		join_members(text, 128, want);
	assert(strcmp(parent_of(&parent)->tracestate, want) == 0);
	check_changes(parent_of(&parent)->tracestate);
	free(want);
	free(text);
	return 0;
}
