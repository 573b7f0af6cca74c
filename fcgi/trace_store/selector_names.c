/* SPDX-License-Identifier: MIT */
#include "trace_store/selector_parser.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/c_locale.h"

static const struct selector_intrinsic_name intrinsics[] = {
	{"name", SELECT_NAME, SELECT_TEXT},
	{"span:name", SELECT_NAME, SELECT_TEXT},
	{"kind", SELECT_KIND, SELECT_A_KIND},
	{"span:kind", SELECT_KIND, SELECT_A_KIND},
	{"status", SELECT_STATUS, SELECT_A_STATUS},
	{"span:status", SELECT_STATUS, SELECT_A_STATUS},
	{"statusMessage", SELECT_STATUS_MESSAGE, SELECT_TEXT},
	{"span:statusMessage", SELECT_STATUS_MESSAGE, SELECT_TEXT},
	{"duration", SELECT_DURATION, SELECT_A_DURATION},
	{"span:duration", SELECT_DURATION, SELECT_A_DURATION},
	{"span:id", SELECT_SPAN_ID, SELECT_TEXT},
	{"span:parentID", SELECT_PARENT_ID, SELECT_TEXT},
	{"trace:id", SELECT_TRACE_ID, SELECT_TEXT},
	{"rootName", SELECT_ROOT_NAME, SELECT_TEXT},
	{"trace:rootName", SELECT_ROOT_NAME, SELECT_TEXT},
	{"rootServiceName", SELECT_ROOT_SERVICE, SELECT_TEXT},
	{"trace:rootService", SELECT_ROOT_SERVICE, SELECT_TEXT},
	{"traceDuration", SELECT_TRACE_DURATION, SELECT_A_DURATION},
	{"trace:duration", SELECT_TRACE_DURATION, SELECT_A_DURATION},
	{"event:name", SELECT_EVENT_NAME, SELECT_TEXT},
	{"instrumentation:name", SELECT_SCOPE_NAME, SELECT_TEXT},
	{"instrumentation:version", SELECT_SCOPE_VERSION, SELECT_TEXT},
};

static const char *const foreign[] = {
	"childCount",      "span:childCount", "nestedSetLeft", "nestedSetRight",
	"nestedSetParent", "parent",          "parent.",       "event:timeSinceStart",
	"link:traceID",    "link:spanID",     "true",          "false",
};

static const char *const statuses[] = {"unset", "ok", "error"};
static const char *const kinds[] = {"unspecified", "internal", "server", "client", "producer", "consumer"};

static const struct {
	const char *text;
	double ns;
} units[] = {{"ns", 1}, {"us", 1e3}, {"\xc2\xb5s", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};

/* ---- names ---- */

const struct selector_intrinsic_name *selector_find_intrinsic(struct slice name)
{
	for (size_t i = 0; i < sizeof(intrinsics) / sizeof(*intrinsics); i++)
		if (slice_equal(name, slice_of(intrinsics[i].text)))
			return &intrinsics[i];
	return NULL;
}

bool selector_intrinsic(struct slice name, enum selector_field *field)
{
	const struct selector_intrinsic_name *found = selector_find_intrinsic(name);

	if (found)
		*field = found->field;
	return found != NULL;
}

const char *selector_intrinsic_at(size_t index)
{
	return index < sizeof(intrinsics) / sizeof(*intrinsics) ? intrinsics[index].text : NULL;
}

bool selector_is_foreign(struct slice name)
{
	for (size_t i = 0; i < sizeof(foreign) / sizeof(*foreign); i++) {
		size_t len = strlen(foreign[i]);
		bool is_scope = foreign[i][len - 1] == '.';
		if (is_scope ? name.len > len && memcmp(name.data, foreign[i], len) == 0
			     : slice_equal(name, slice_of(foreign[i])))
			return true;
	}
	return false;
}

static bool find(const char *const *names, size_t count, struct slice text, unsigned *number)
{
	for (size_t i = 0; i < count; i++) {
		if (slice_equal(text, slice_of(names[i]))) {
			*number = (unsigned)i;
			return true;
		}
	}
	return false;
}

bool selector_find_status(struct slice name, unsigned *number)
{
	return find(statuses, sizeof(statuses) / sizeof(*statuses), name, number);
}

bool selector_find_kind(struct slice name, unsigned *number)
{
	return find(kinds, sizeof(kinds) / sizeof(*kinds), name, number);
}

const char *selector_kind(uint32_t number)
{
	return number < sizeof(kinds) / sizeof(*kinds) ? kinds[number] : NULL;
}

const char *selector_status(uint32_t number)
{
	return number < sizeof(statuses) / sizeof(*statuses) ? statuses[number] : NULL;
}

/* ---- texts ---- */

static void keep_char(struct selector *s, struct slice *out, char c)
{
	if (s->used < sizeof(s->text)) {
		s->text[s->used++] = c;
		out->len++;
	}
}

struct slice selector_keep(struct selector *s, const char *p, size_t len)
{
	struct slice out = {s->text + s->used, 0};

	for (size_t i = 0; i < len; i++)
		keep_char(s, &out, p[i]);
	return out;
}

const char *selector_quoted(struct selector *s, const char *p, struct slice *out)
{
	char quote = *p++;

	*out = (struct slice){s->text + s->used, 0};
	for (; *p && *p != quote; p++) {
		if (*p == '\\' && quote == '"') {
			p++;
			if (*p == '\0')
				return NULL;
			keep_char(s, out, (char)(*p == 'n' ? '\n' : *p == 't' ? '\t' : *p == 'r' ? '\r' : *p));
		} else {
			keep_char(s, out, *p);
		}
	}
	return *p ? p + 1 : NULL;
}

/* ---- numbers ---- */

static bool find_unit(const char *p, size_t len, double *ns)
{
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (strlen(units[i].text) == len && memcmp(units[i].text, p, len) == 0) {
			*ns = units[i].ns;
			return true;
		}
	}
	return false;
}

/* The digits of a number without its exponent; 0: none. */
static size_t number_length(const char *p, size_t len)
{
	size_t digits = 0, points = 0, at = 0;

	for (; at < len && (isdigit((unsigned char)p[at]) || p[at] == '.'); at++) {
		digits += p[at] != '.';
		points += p[at] == '.';
	}
	return digits && points <= 1 ? at : 0;
}

/* Of "e+16" at `p`; 0: there is none. */
static size_t exponent_length(const char *p, size_t len)
{
	size_t at = 1;

	if (len < 2 || (*p != 'e' && *p != 'E'))
		return 0;
	at += p[at] == '+' || p[at] == '-';
	size_t first = at;
	while (at < len && isdigit((unsigned char)p[at]))
		at++;
	return at > first ? at : 0;
}

/* As Go writes those that are no decimals, and Grafana sends them. */
static bool is_infinite_or_nan(const char *p, size_t len)
{
	static const char *const names[] = {"NaN", "Inf", "+Inf", "-Inf"};
	unsigned number;

	return find(names, sizeof(names) / sizeof(*names), (struct slice){p, len}, &number);
}

static double read_number(const char *p, size_t len)
{
	char text[64];

	snprintf(text, sizeof(text), "%.*s", (int)(len < sizeof(text) ? len : sizeof(text) - 1), p);
	return c_locale_strtod(text, NULL);
}

static bool duration_of(const char *p, const char *end, double *ns)
{
	double unit;

	for (*ns = 0; p < end;) {
		size_t digits = number_length(p, (size_t)(end - p)), letters = 0;
		const char *name = p + digits;

		while (name + letters < end && !isdigit((unsigned char)name[letters]) && name[letters] != '.')
			letters++;
		if (!digits || !find_unit(name, letters, &unit))
			return false;
		*ns += read_number(p, digits) * unit;
		p = name + letters;
	}
	return true;
}

bool selector_number(const char *p, size_t len, struct value *out, bool *is_duration)
{
	size_t sign = len && *p == '-', digits = number_length(p + sign, len - sign);
	char text[64];

	if (digits)
		digits += exponent_length(p + sign + digits, len - sign - digits);
	else if (is_infinite_or_nan(p, len))
		digits = len - sign;
	if (len >= sizeof(text) || digits == 0)
		return false;
	*is_duration = sign + digits < len;
	*out = (struct value){.type = VALUE_NUMBER};
	if (*is_duration) {
		bool good = duration_of(p + sign, p + len, &out->number);
		out->number = sign ? -out->number : out->number;
		return good;
	}
	snprintf(text, sizeof(text), "%.*s", (int)len, p);
	out->number = c_locale_strtod(text, NULL);
	errno = 0;
	out->integer = strtoll(text, NULL, 10);
	out->is_integer = !errno && text[sign + strspn(text + sign, "0123456789")] == '\0';
	return true;
}

bool selector_duration(const char *text, uint64_t *ns)
{
	struct value value;
	bool is_duration;

	/* Not (a || b): a comparison with NaN is false. */
	if (*text == '-' || strlen(text) > 32 || !selector_number(text, strlen(text), &value, &is_duration) ||
	    !(value.number >= 0 && value.number <= 1e18))
		return false;
	*ns = (uint64_t)value.number;
	return true;
}
