/* SPDX-License-Identifier: MIT */
#include "base/env.h"

#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"

#define VALUE_SHOWN 80 /* bytes */

static struct env_setting *registered;

const char *env_string(const char *name, const char *fallback)
{
	const char *value = getenv(name);

	return value && *value ? value : fallback;
}

bool env_bool(const char *name)
{
	return ascii_same(env_string(name, ""), "true");
}

/* ---- values ---- */

bool env_parse_number(const char *text, long min, long max, long *out)
{
	bool negative = *text == '-';
	long value = 0;

	text += negative;
	if (!*text)
		return false;
	for (; *text; text++) {
		int digit = *text - '0';
		if (digit < 0 || digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, negative ? -digit : digit, &value))
			return false;
	}
	if (value < min || value > max)
		return false;
	*out = value;
	return true;
}

/* Returns true when nothing follows a host in a URL, or a colon and a port. */
static bool is_port(const char *text, size_t len)
{
	char digits[8];
	long port;

	if (len == 0)
		return true;
	if (*text != ':' || len > sizeof(digits))
		return false;
	memcpy(digits, text + 1, len - 1);
	digits[len - 1] = '\0';
	return env_parse_number(digits, 1, 65535, &port);
}

bool env_is_url(const char *text)
{
	size_t scheme = ascii_same_start(text, "http://", 7) ? 7 : ascii_same_start(text, "https://", 8) ? 8 : 0;

	if (!scheme)
		return false;
	for (const char *c = text; *c; c++)
		if (*c <= ' ' || *c > '~')
			return false;
	const char *host = text + scheme;
	size_t len = strcspn(host, "/?#");
	const char *user_end = memrchr(host, '@', len);
	if (user_end) {
		len -= (size_t)(user_end + 1 - host);
		host = user_end + 1;
	}
	const char *bracket = *host == '[' ? memchr(host, ']', len) : NULL;
	size_t host_len = bracket ? (size_t)(bracket + 1 - host) : strcspn(host, ":/?#");
	return host_len > 0 && (*host != '[' || host_len > 2) && is_port(host + host_len, len - host_len);
}

const char *env_url_of(const char *text)
{
	size_t name = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_-");

	return name && text[name] == '=' ? text + name + 1 : text;
}

static bool are_urls(const char *text)
{
	char *copy = strdup(text), *rest = copy;
	bool valid = copy;

	for (const char *url; valid && (url = strsep(&rest, " "));)
		valid = !*url || env_is_url(env_url_of(url));
	free(copy);
	return valid;
}

/* Returns the index, or -1. */
static int find_choice(const char *const *choices, const char *text)
{
	for (int i = 0; choices[i]; i++)
		if (ascii_same(choices[i], text))
			return i;
	return -1;
}

/* ---- settings ---- */

void env_register(struct env_setting *setting)
{
	setting->next = registered;
	registered = setting;
}

static bool is_valid(const struct env_setting *setting, const char *text)
{
	long number;

	switch (setting->kind) {
	case ENV_NUMBER: return env_parse_number(text, setting->min, setting->max, &number);
	case ENV_CHOICE: return find_choice(setting->choices, text) >= 0;
	case ENV_URL: return strlen(text) <= ENV_URL_MAX && env_is_url(text);
	case ENV_URLS: return are_urls(text);
	}
	return false;
}

/* A URL may hold a password, which is not shown; other values are cut, and their control characters replaced. */
static void add_value(struct buf *out, const struct env_setting *setting, const char *text)
{
	buf_adds(out, setting->name);
	if (setting->kind >= ENV_URL && strchr(text, '@'))
		return;
	buf_adds(out, "=\"");
	size_t len = strlen(text), shown = len < VALUE_SHOWN ? len : VALUE_SHOWN;
	for (size_t i = 0; i < shown; i++) {
		char c = text[i];
		if ((c >= 0 && c < ' ') || c == 0x7f)
			c = '?';
		buf_addc(out, c);
	}
	buf_adds(out, shown < len ? "…\"" : "\"");
}

static void add_demand(struct buf *out, const struct env_setting *setting)
{
	switch (setting->kind) {
	case ENV_NUMBER:
		buf_addf(out, " is not a whole number%s%s from %ld to %ld", setting->unit ? " of " : "",
			 setting->unit ? setting->unit : "", setting->min, setting->max);
		return;
	case ENV_CHOICE:
		buf_adds(out, " is none of ");
		for (size_t i = 0; setting->choices[i]; i++)
			buf_addf(out, "%s%s", i ? ", " : "", setting->choices[i]);
		return;
	case ENV_URL: buf_adds(out, " is not a URL of the form http://HOST:PORT of up to 255 bytes"); return;
	case ENV_URLS: buf_adds(out, " is not a list of NAME=http://HOST:PORT/PATH, separated by spaces"); return;
	}
}

bool env_check(struct buf *problems)
{
	bool valid = true;

	for (const struct env_setting *setting = registered; setting; setting = setting->next) {
		const char *text = env_string(setting->name, NULL);
		if (!text || is_valid(setting, text))
			continue;
		if (!valid)
			buf_adds(problems, "; ");
		valid = false;
		add_value(problems, setting, text);
		add_demand(problems, setting);
	}
	return valid;
}

long env_number(const struct env_setting *setting)
{
	const char *text = env_string(setting->name, NULL);
	long value = setting->fallback;

	if (text)
		env_parse_number(text, setting->min, setting->max, &value);
	return value;
}

unsigned env_choice(const struct env_setting *setting)
{
	const char *text = env_string(setting->name, NULL);
	int index = text ? find_choice(setting->choices, text) : -1;

	return index >= 0 ? (unsigned)index : (unsigned)setting->fallback;
}
