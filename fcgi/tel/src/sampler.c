/* SPDX-License-Identifier: MIT */
#include "tel/src/sampler.h"

#include <string.h>

#include "base/ascii.h"
#include "base/c_locale.h"
#include "tel/src/probability.h"

#define PARENT_BASED "parentbased_"

/* Returns false unless it is a decimal number from 0 to 1, with a point whatever the locale. */
static bool parse_ratio(const char *text, uint64_t *threshold)
{
	char *end;
	double ratio = c_locale_strtod(text, &end);

	if (end == text || *end || text[strspn(text, "0123456789.eE+-")] || !(ratio >= 0 && ratio <= 1))
		return false;
	*threshold = probability_threshold(ratio);
	return true;
}

bool sampler_parse(const char *name, const char *ratio, struct sampler *out)
{
	*out = (struct sampler){.parent_based = true};
	if (!name)
		return true;

	bool parent_based = ascii_same_start(name, PARENT_BASED, strlen(PARENT_BASED));
	if (parent_based)
		name += strlen(PARENT_BASED);

	uint64_t threshold = 0;
	bool valid = true;
	if (ascii_same(name, "always_off"))
		threshold = SAMPLER_NONE;
	else if (ascii_same(name, "traceidratio"))
		valid = !ratio || parse_ratio(ratio, &threshold);
	else if (!ascii_same(name, "always_on"))
		return false;
	*out = (struct sampler){parent_based, threshold};
	return valid;
}

bool sampler_decide(const struct sampler *sampler, const uint8_t trace_id[16])
{
	return probability_of_id(trace_id) >= sampler->threshold;
}
