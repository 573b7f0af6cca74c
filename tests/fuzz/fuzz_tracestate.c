/* SPDX-License-Identifier: MIT */
/* tracestate headers, one a line, against a second reading of W3C Trace Context level 2, section 3.3. */
#include <regex.h>

#include "header_lines.h"

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
	free(want);
	free(text);
	return 0;
}
