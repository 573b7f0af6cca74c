/* SPDX-License-Identifier: MIT */
/* baggage headers, one a line, against a second reading of W3C Baggage, section 3.3. */
#include <regex.h>

#include "header_lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* in brackets "]" must be the first and "-" the last; a value takes all that can be seen but " , ; \ */
#define OWS "[ \t]*"
#define TOKEN "[a-zA-Z0-9!#$%&'*+.^_`|~-]+"
#define VALUE "[]!#-+./0-:<-[^-~-]*"
#define MEMBER OWS TOKEN OWS "=" OWS VALUE OWS "(;" OWS TOKEN OWS "(=" OWS VALUE OWS ")?)*"

static bool is_valid(const char *list)
{
	static regex_t regex;
	static bool ready;
	char *copy = strdup(list), *rest = copy, *member;
	bool valid = true;

	if (!ready)
		assert(regcomp(&regex, "^" MEMBER "$", REG_EXTENDED | REG_NOSUB) == 0);
	ready = true;
	assert(copy);
	while (valid && *list && (member = strsep(&rest, ",")))
		valid = regexec(&regex, member, 0, NULL, 0) == 0;
	free(copy);
	return valid;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct tel_parent parent;
	char *text = copy_text(data, size);
	char *want = malloc(size + 1);

	assert(want);
	offer_lines(&parent, "baggage", text);
	if (join_members(text, SIZE_MAX, want) > 64 || strlen(want) > TEL_BAGGAGE_MAX || !is_valid(want))
		want[0] = '\0';
	assert(strcmp(parent_of(&parent)->baggage, want) == 0);
	free(want);
	free(text);
	return 0;
}
