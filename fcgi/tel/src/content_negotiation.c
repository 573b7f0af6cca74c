/* SPDX-License-Identifier: MIT */
/* Which exposition format an Accept header asks for (RFC 9110, section 12.5.1). */
#include <string.h>

#include "base/ascii.h"
#include "base/slice.h"
#include "tel/tel.h"

#define OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define TEXT "text/plain; version=0.0.4; charset=utf-8"

static bool equals(struct slice s, const char *text)
{
	return s.len == strlen(text) && ascii_same_start(s.data, text, s.len);
}

/* Returns a qvalue ("0", "0.5", "1.000") in thousandths. Anything else counts as 0. */
static int parse_quality(struct slice s)
{
	int quality = 0;

	if (s.len == 0 || s.len > 5 || (s.data[0] != '0' && s.data[0] != '1') || (s.len > 1 && s.data[1] != '.'))
		return 0;
	for (size_t i = 0; i < 5; i++) {
		if (i == 1)
			continue;
		int digit = i < s.len ? s.data[i] - '0' : 0;
		if (digit < 0 || digit > 9)
			return 0;
		quality = quality * 10 + digit;
	}
	return quality > 1000 ? 0 : quality;
}

/*
 * The quality values of the two formats. `text_specificity` is how specific the media range was that set `text`: 1 for
 * any type, 2 for text of any kind, 3 for text/plain. The most specific range wins.
 */
struct choice {
	int openmetrics;
	int text;
	int text_specificity;
};

static void offer_text(struct choice *choice, int specificity, int quality)
{
	if (specificity < choice->text_specificity ||
	    (specificity == choice->text_specificity && quality <= choice->text))
		return;
	choice->text_specificity = specificity;
	choice->text = quality;
}

static void read_range(struct choice *choice, struct slice range)
{
	struct slice type, parameter, version = {0};
	int quality = 1000;

	if (!slice_take_trimmed(&range, ';', &type))
		return;
	while (slice_take_trimmed(&range, ';', &parameter)) {
		struct slice name;
		if (!slice_take_trimmed(&parameter, '=', &name))
			continue;
		if (equals(name, "q"))
			quality = parse_quality(slice_trim(parameter));
		else if (equals(name, "version"))
			version = slice_trim(parameter);
	}
	if (equals(type, "application/openmetrics-text")) {
		if ((!version.len || equals(version, "1.0.0")) && quality > choice->openmetrics)
			choice->openmetrics = quality;
	} else if (equals(type, "text/plain")) {
		if (!version.len || equals(version, "0.0.4"))
			offer_text(choice, 3, quality);
	} else if (equals(type, "text/*")) {
		offer_text(choice, 2, quality);
	} else if (equals(type, "*/*")) {
		offer_text(choice, 1, quality);
	}
}

/* OpenMetrics is chosen only where it is named, so that the wildcard of a browser gets plain text. */
const char *tel_metrics_content_type(const char *accept)
{
	struct choice choice = {0};
	struct slice range;

	if (!accept)
		return TEXT;
	struct slice rest = {accept, strlen(accept)};
	while (slice_take_trimmed(&rest, ',', &range))
		read_range(&choice, range);
	return choice.openmetrics && choice.openmetrics >= choice.text ? OPENMETRICS : TEXT;
}
