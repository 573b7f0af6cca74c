/* SPDX-License-Identifier: MIT */
/* One traceparent header, against the rules of W3C Trace Context level 2 written down as a regular expression. */
#include <assert.h>
#include <regex.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tel/src/context.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEX(digits) "[0-9a-f]{" digits "}"
#define FIELDS HEX("32") "-" HEX("16") "-" HEX("2")

/* What it must look like, then what it must not. */
static const char *const rules[] = {
	"^[ \t]*(00-" FIELDS "|" HEX("2") "-" FIELDS "(-[^,]*)?)[ \t]*$",
	"^[ \t]*ff-",
	"^[ \t]*00-" FIELDS "-",
	"^[ \t]*" HEX("2") "-0{32}-",
	"^[ \t]*" HEX("2") "-" HEX("32") "-0{16}-",
};
#define RULES (sizeof(rules) / sizeof(*rules))

static bool is_valid(const char *text)
{
	static regex_t compiled[RULES];
	static bool ready;
	bool valid = true;

	for (size_t i = 0; i < RULES && !ready; i++)
		assert(regcomp(&compiled[i], rules[i], REG_EXTENDED | REG_NOSUB) == 0);
	ready = true;
	for (size_t i = 0; i < RULES && valid; i++)
		valid = (regexec(&compiled[i], text, 0, NULL, 0) == 0) == (i == 0);
	return valid;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct tel_parent parent;
	char *text = malloc(size + 1);

	assert(text);
	memcpy(text, data, size);
	text[size] = '\0';
	tel_parent_init(&parent);
	tel_parent_header(&parent, "traceparent", text);
	tel_parent_end(&parent);
	assert(parent_of(&parent)->valid == is_valid(text));

	struct tel_span span;
	struct tel_carrier carrier;
	tel_span_start_remote(&span, "span", TEL_SERVER, &parent);
	tel_span_inject(&span, &carrier);
	tel_span_end(&span);
	assert(is_valid(carrier.traceparent) && strlen(carrier.traceparent) == TEL_TRACEPARENT_LENGTH);
	if (parent_of(&parent)->valid)
		assert(memcmp(carrier.traceparent + 3, text + strspn(text, " \t") + 3, 32) == 0);
	free(text);
	return 0;
}
