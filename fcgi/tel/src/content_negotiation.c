/* SPDX-License-Identifier: MIT */
/* Which exposition format an Accept header asks for (RFC 9110, section 12.5.1). */
#include <stdlib.h>
#include <string.h>

#include "base/plain.h"
#include "base/slice.h"
#include "tel/tel.h"

#define OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define TEXT "text/plain; version=0.0.4; charset=utf-8"

static bool equals(struct slice s, const char *text)
{
	return s.len == strlen(text) && plain_same_start(s.data, text, s.len);
}

/* "0", "0.5", "1.000" as thousandths; what is no qvalue counts as 0. */
static int parse_weight(struct slice s)
{
	int weight = 0;

	if (s.len == 0 || s.len > 5 || (s.data[0] != '0' && s.data[0] != '1') || (s.len > 1 && s.data[1] != '.'))
		return 0;
	for (size_t i = 0; i < 5; i++) {
		if (i == 1)
			continue;
		int digit = i < s.len ? s.data[i] - '0' : 0;
		if (digit < 0 || digit > 9)
			return 0;
		weight = weight * 10 + digit;
	}
	return weight > 1000 ? 0 : weight;
}

/* Weights of the two formats; `precision` is that of the range which set the text's: 1 any, 2 a type, 3 the format. */
struct choice {
	int openmetrics;
	int text;
	int precision;
};

static void offer_text(struct choice *choice, int precision, int weight)
{
	if (precision < choice->precision || (precision == choice->precision && weight <= choice->text))
		return;
	choice->precision = precision;
	choice->text = weight;
}

static void read_range(struct choice *choice, struct slice range)
{
	struct slice type, parameter, version = {0};
	int weight = 1000;

	if (!slice_take_trimmed(&range, ';', &type))
		return;
	while (slice_take_trimmed(&range, ';', &parameter)) {
		struct slice name;
		if (!slice_take_trimmed(&parameter, '=', &name))
			continue;
		if (equals(name, "q"))
			weight = parse_weight(slice_trim(parameter));
		else if (equals(name, "version"))
			version = slice_trim(parameter);
	}
	if (equals(type, "application/openmetrics-text")) {
		if ((!version.len || equals(version, "1.0.0")) && weight > choice->openmetrics)
			choice->openmetrics = weight;
	} else if (equals(type, "text/plain")) {
		if (!version.len || equals(version, "0.0.4"))
			offer_text(choice, 3, weight);
	} else if (equals(type, "text/*")) {
		offer_text(choice, 2, weight);
	} else if (equals(type, "*/*")) {
		offer_text(choice, 1, weight);
	}
}

/* OpenMetrics has to be named: a browser's wildcard gets plain text. */
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
