/* SPDX-License-Identifier: MIT */
#include "tel/src/settings_read.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/ascii.h"
#include "base/env.h"
#include "tel/src/complain.h"

void setting_ignored(const char *variable, const char *value, const char *reason, const char *used)
{
	complain_warn("a setting cannot be used", tel_str("variable", variable),
		      tel_str("value", value ? value : "(hidden)"), tel_str("reason", reason), tel_str("used", used));
}

long setting_number(const char *variable, long fallback, long min, long max)
{
	const char *text = env_string(variable, NULL);
	char reason[64], used[24];
	long value = fallback;

	if (text && !env_parse_number(text, min, max, &value)) {
		snprintf(reason, sizeof(reason), "it is not a whole number from %ld to %ld", min, max);
		snprintf(used, sizeof(used), "%ld", fallback);
		setting_ignored(variable, text, reason, fallback == SETTING_NO_LIMIT ? "no limit" : used);
	}
	return value;
}

unsigned setting_timeout(const char *variable, unsigned fallback)
{
	long value = setting_number(variable, fallback, 0, INT_MAX);

	return value ? (unsigned)value : INT_MAX;
}

/* ---- lists ---- */

#define BLANKS " \t"

/* The index, or -1. */
static int find_name(const char *const names[], const char *text, size_t bytes)
{
	for (int i = 0; names[i]; i++)
		if (strlen(names[i]) == bytes && ascii_same_start(names[i], text, bytes))
			return i;
	return -1;
}

/* The bits of the names that are known. *unknown: there are others. */
static unsigned parse_list(const char *text, const char *const names[], bool *unknown)
{
	unsigned found = 0;

	for (*unknown = false; *text; text += *text == ',') {
		text += strspn(text, BLANKS);
		size_t bytes = strcspn(text, ",");
		const char *end = text + bytes;
		while (bytes && strchr(BLANKS, text[bytes - 1]))
			bytes--;
		int index = find_name(names, text, bytes);
		if (index >= 0)
			found |= 1U << index;
		else
			*unknown |= bytes > 0;
		text = end;
	}
	return found;
}

/* "one, another" */
static void write_list(char *out, size_t size, const char *const names[], unsigned bits)
{
	size_t length = 0;

	*out = '\0';
	for (unsigned i = 0; names[i] && length < size; i++)
		if (bits & 1U << i)
			length += (size_t)snprintf(out + length, size - length, "%s%s", length ? ", " : "", names[i]);
}

unsigned setting_list(const char *variable, const char *const names[], unsigned fallback, const char *fallback_text)
{
	const char *text = env_string(variable, NULL);
	char known[128], reason[192], used[128];
	bool unknown;

	if (!text)
		return fallback;
	unsigned found = parse_list(text, names, &unknown);
	bool contradicts = (found & 1) && found != 1;
	if (contradicts)
		found &= ~1U;
	write_list(used, sizeof(used), names, found);
	write_list(known, sizeof(known), names, UINT_MAX);
	if (unknown)
		snprintf(reason, sizeof(reason), "what is supported is %s", known);
	else
		snprintf(reason, sizeof(reason), "none stands alone");
	if (unknown || contradicts || !found)
		setting_ignored(variable, text, reason, found ? used : fallback_text);
	return found ? found : fallback;
}
