/* SPDX-License-Identifier: MIT */
#include "tel/src/pairs.h"

#include <string.h>

#include "base/hex.h"

/* Decodes in place. Returns false for a bad escape or a NUL. */
static bool percent_decode(char *text)
{
	char *out = text;

	for (const char *in = text; *in; in++) {
		if (*in != '%') {
			*out++ = *in;
			continue;
		}
		int high = hex_digit(in[1]), low = high < 0 ? -1 : hex_digit(in[2]);
		if (low < 0)
			return false;
		*out = (char)(high * 16 + low);
		if (!*out++)
			return false;
		in += 2;
	}
	*out = '\0';
	return true;
}

static char *without_blanks(char *text)
{
	text += strspn(text, " \t");
	size_t length = strlen(text);
	while (length && strchr(" \t", text[length - 1]))
		length--;
	text[length] = '\0';
	return text;
}

bool pairs_parse(char *text, struct pair pairs[PAIRS_MAX], size_t *count)
{
	char *rest = NULL;

	*count = 0;
	for (char *pair = strtok_r(text, ",", &rest); pair; pair = strtok_r(NULL, ",", &rest)) {
		char *value = strchr(pair, '=');
		if (!value || *count == PAIRS_MAX)
			return false;
		*value++ = '\0';
		char *key = without_blanks(pair);
		value = without_blanks(value);
		if (!*key || !percent_decode(key) || !percent_decode(value))
			return false;
		pairs[(*count)++] = (struct pair){key, value};
	}
	return true;
}
