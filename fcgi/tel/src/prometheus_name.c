/* SPDX-License-Identifier: MIT */
#include "tel/src/prometheus_name.h"

#include <string.h>

/* ---- characters -------------------------------------------------------------------------------------------------- */

/* Reads a name as Prometheus has it. */
struct name_reader {
	const char *at;
	bool colons;   /* are allowed: in names of metrics */
	char previous; /* NUL: none yet */
};

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* The next character; NUL after the last. */
static char read_name(struct name_reader *reader)
{
	while (*reader->at) {
		char c = *reader->at++;
		bool allowed = is_letter(c) || (c == ':' && reader->colons) ||
			       (c >= '0' && c <= '9' && reader->previous);
		if (!allowed)
			c = '_';
		if (c == '_' && reader->previous == '_')
			continue;
		reader->previous = c;
		return c;
	}
	return '\0';
}

static void spell_name(struct buf *out, struct name_reader reader)
{
	for (char c = read_name(&reader); c; c = read_name(&reader))
		buf_addc(out, c);
}

void prometheus_add_label_name(struct buf *out, const char *key)
{
	spell_name(out, (struct name_reader){.at = key});
}

bool prometheus_same_label(const char *a, const char *b)
{
	struct name_reader reader = {.at = a}, other = {.at = b};
	char c;

	do {
		c = read_name(&reader);
		if (c != read_name(&other))
			return false;
	} while (c);
	return true;
}

/* ---- units ------------------------------------------------------------------------------------------------------- */

static const struct unit {
	const char *unit, *word, *one; /* as in "bytes", and as in "per_byte" */
} units[] = {
	{"d", "days", "day"},
	{"h", "hours", "hour"},
	{"min", "minutes", "minute"},
	{"s", "seconds", "second"},
	{"ms", "milliseconds", "millisecond"},
	{"us", "microseconds", "microsecond"},
	{"ns", "nanoseconds", "nanosecond"},
	{"By", "bytes", "byte"},
	{"KiBy", "kibibytes", "kibibyte"},
	{"MiBy", "mebibytes", "mebibyte"},
	{"GiBy", "gibibytes", "gibibyte"},
	{"TiBy", "tebibytes", "tebibyte"},
	{"kBy", "kilobytes", "kilobyte"},
	{"MBy", "megabytes", "megabyte"},
	{"GBy", "gigabytes", "gigabyte"},
	{"TBy", "terabytes", "terabyte"},
	{"m", "meters", "meter"},
	{"V", "volts", "volt"},
	{"A", "amperes", "ampere"},
	{"J", "joules", "joule"},
	{"W", "watts", "watt"},
	{"g", "grams", "gram"},
	{"Cel", "celsius", "celsius"},
	{"Hz", "hertz", "hertz"},
	{"%", "percent", "percent"},
};

#define UNIT_MAX_BYTES 64

/* The unit up to `end`, without what is in braces. */
static void read_unit(char out[UNIT_MAX_BYTES], const char *unit, const char *end)
{
	size_t length = 0;
	bool inside = false;

	for (; unit < end; unit++) {
		inside |= *unit == '{';
		if (!inside && length < UNIT_MAX_BYTES - 1)
			out[length++] = *unit;
		inside &= *unit != '}';
	}
	out[length] = '\0';
}

/* The word for a unit without a '/'; one that the specification does not name stays as it is. */
static void add_unit_word(struct buf *out, const char *unit, bool after_per)
{
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (strcmp(units[i].unit, unit) == 0) {
			buf_adds(out, after_per ? units[i].one : units[i].word);
			return;
		}
	}
	for (const char *c = unit; *c; c++) /* what is no letter or digit is an operator, and says nothing */
		if (is_letter(*c) || (*c >= '0' && *c <= '9'))
			buf_addc(out, *c);
}

void prometheus_add_unit(struct buf *out, const struct tel_metric *metric)
{
	const char *unit = metric->unit, *end = unit + strlen(unit), *slash = strchr(unit, '/');
	char counted[UNIT_MAX_BYTES], per[UNIT_MAX_BYTES] = "";

	if (strcmp(unit, "1") == 0) { /* a ratio, or a count of nothing in particular */
		buf_adds(out, metric->type == TEL_METRIC_GAUGE ? "ratio" : "");
		return;
	}
	read_unit(counted, unit, slash ? slash : end);
	if (slash)
		read_unit(per, slash + 1, end);
	if (*per && strcmp(counted, "1") == 0)
		*counted = '\0';
	add_unit_word(out, counted, false);
	if (*per) {
		buf_adds(out, *counted ? "_per_" : "per_");
		add_unit_word(out, per, true);
	}
}

/* ---- families ---------------------------------------------------------------------------------------------------- */

/* Returns true if `text` is `word`, or ends with "_word". */
static bool ends_with_word(const char *text, size_t length, const char *word)
{
	size_t bytes = strlen(word);

	return length >= bytes && memcmp(text + length - bytes, word, bytes) == 0 &&
	       (length == bytes || text[length - bytes - 1] == '_');
}

bool prometheus_has_unit(const char *family, const char *unit)
{
	size_t length = strlen(family);

	return *unit && length > strlen(unit) && ends_with_word(family, length, unit);
}

void prometheus_add_family(struct buf *out, const struct tel_metric *metric, const char *unit)
{
	const size_t start = out->len, total = strlen("_total");

	spell_name(out, (struct name_reader){.at = metric->name, .colons = true});
	if (out->failed)
		return;
	size_t length = out->len - start;
	if (metric->type == TEL_METRIC_COUNTER && length > total && ends_with_word(out->data + start, length, "total"))
		out->data[out->len -= total] = '\0';
	if (!*unit || ends_with_word(out->data + start, out->len - start, unit))
		return;
	if (out->data[out->len - 1] != '_')
		buf_addc(out, '_');
	buf_adds(out, unit);
}

#define SUFFIXES_MAX 5

/* The endings that the names of a family's samples may have. OpenMetrics reserves _created as well. */
static const char *const suffixes[][SUFFIXES_MAX] = {
	[TEL_METRIC_COUNTER] = {"", "_total", "_created"},
	[TEL_METRIC_GAUGE] = {""},
	[TEL_METRIC_HISTOGRAM] = {"", "_bucket", "_sum", "_count", "_created"},
};

/* Returns true if the text is `first` followed by `second`. */
static bool is_joined(const char *text, const char *first, const char *second)
{
	size_t bytes = strlen(first);

	return strncmp(text, first, bytes) == 0 && strcmp(text + bytes, second) == 0;
}

/* Returns true if one of the longer family's names is the shorter family's name with one of its suffixes. */
static bool clash_by_length(const char *longer, enum tel_metric_type longer_type, const char *shorter,
			    enum tel_metric_type type)
{
	size_t bytes = strlen(shorter);

	if (strncmp(longer, shorter, bytes) != 0)
		return false;
	for (int i = 0; i < SUFFIXES_MAX && suffixes[longer_type][i]; i++)
		for (int k = 0; k < SUFFIXES_MAX && suffixes[type][k]; k++)
			if (is_joined(suffixes[type][k], longer + bytes, suffixes[longer_type][i]))
				return true;
	return false;
}

bool prometheus_clash(const char *family, enum tel_metric_type type, const char *other, enum tel_metric_type other_type)
{
	return strlen(family) > strlen(other) ? clash_by_length(family, type, other, other_type)
					      : clash_by_length(other, other_type, family, type);
}
