/* SPDX-License-Identifier: MIT */
/* Which exposition format an Accept header asks for (RFC 9110, section 12.5.1). */
#include <stdlib.h>
#include <string.h>

#include "base/plain.h"
#include "tel/tel.h"

#define OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define TEXT "text/plain; version=0.0.4; charset=utf-8"

/* A piece of the header. */
struct piece {
	const char *at;
	size_t length;
};

static struct piece trimmed(struct piece s)
{
	while (s.length && strchr(" \t", s.at[0])) {
		s.at++;
		s.length--;
	}
	while (s.length && strchr(" \t", s.at[s.length - 1]))
		s.length--;
	return s;
}

/* Takes the part up to `separator` off *rest. False: nothing is left. */
static bool take(struct piece *rest, char separator, struct piece *part)
{
	if (!rest->length)
		return false;
	const char *end = memchr(rest->at, separator, rest->length);
	size_t length = end ? (size_t)(end - rest->at) : rest->length;
	*part = trimmed((struct piece){rest->at, length});
	length += end != NULL;
	rest->at += length;
	rest->length -= length;
	return true;
}

static bool equals(struct piece s, const char *text)
{
	return s.length == strlen(text) && plain_same_start(s.at, text, s.length);
}

/* "0", "0.5", "1.000" as thousandths; what is no qvalue counts as 0. */
static int parse_weight(struct piece s)
{
	int weight = 0;

	if (s.length == 0 || s.length > 5 || (s.at[0] != '0' && s.at[0] != '1') || (s.length > 1 && s.at[1] != '.'))
		return 0;
	for (size_t i = 0; i < 5; i++) {
		if (i == 1)
			continue;
		int digit = i < s.length ? s.at[i] - '0' : 0;
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

static void read_range(struct choice *choice, struct piece range)
{
	struct piece type, parameter, version = {0};
	int weight = 1000;

	if (!take(&range, ';', &type))
		return;
	while (take(&range, ';', &parameter)) {
		struct piece name;
		if (!take(&parameter, '=', &name))
			continue;
		if (equals(name, "q"))
			weight = parse_weight(trimmed(parameter));
		else if (equals(name, "version"))
			version = trimmed(parameter);
	}
	if (equals(type, "application/openmetrics-text")) {
		if ((!version.length || equals(version, "1.0.0")) && weight > choice->openmetrics)
			choice->openmetrics = weight;
	} else if (equals(type, "text/plain")) {
		if (!version.length || equals(version, "0.0.4"))
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
	struct piece range;

	if (!accept)
		return TEXT;
	struct piece rest = {accept, strlen(accept)};
	while (take(&rest, ',', &range))
		read_range(&choice, range);
	return choice.openmetrics && choice.openmetrics >= choice.text ? OPENMETRICS : TEXT;
}
