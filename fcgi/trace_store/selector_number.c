/* SPDX-License-Identifier: MIT */
/* The numbers and durations of TraceQL. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/c_locale.h"
#include "trace_store/selector_parser.h"

#define NUMBER_SIZE 64

static const struct {
	const char *text;
	double ns;
} units[] = {{"ns", 1}, {"us", 1e3}, {"\xc2\xb5s", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static struct slice skip(struct slice s, size_t len)
{
	return (struct slice){s.data + len, s.len - len};
}

/* Returns the length of digits with one point at most; 0 if there are none. */
static size_t digits_len(struct slice s)
{
	size_t digits = 0, points = 0, len = 0;

	for (; len < s.len && (is_digit(s.data[len]) || s.data[len] == '.'); len++) {
		digits += s.data[len] != '.';
		points += s.data[len] == '.';
	}
	return digits && points <= 1 ? len : 0;
}

/* Returns the length of an exponent such as e+16; 0 if there is none. */
static size_t exponent_len(struct slice s)
{
	size_t len = 1;

	if (s.len < 2 || (*s.data != 'e' && *s.data != 'E'))
		return 0;
	len += s.data[len] == '+' || s.data[len] == '-';
	size_t first = len;
	while (len < s.len && is_digit(s.data[len]))
		len++;
	return len > first ? len : 0;
}

static bool is_decimal(struct slice s)
{
	size_t sign = s.len && *s.data == '-', digits = digits_len(skip(s, sign));

	return digits && sign + digits + exponent_len(skip(s, sign + digits)) == s.len;
}

/* Go writes these for what is no decimal, and Grafana sends them. */
static bool is_infinite_or_nan(struct slice s)
{
	return slice_equal(s, slice_of("NaN")) || slice_equal(s, slice_of("Inf")) || slice_equal(s, slice_of("+Inf")) ||
	       slice_equal(s, slice_of("-Inf"));
}

/* `s` is shorter than NUMBER_SIZE. */
static struct value read_number(struct slice s)
{
	char text[NUMBER_SIZE], *end;
	struct value out = {.type = VALUE_NUMBER};

	memcpy(text, s.data, s.len);
	text[s.len] = '\0';
	out.number = c_locale_strtod(text, NULL);
	errno = 0;
	out.integer = strtoll(text, &end, 10);
	out.is_integer = !errno && *end == '\0';
	return out;
}

static bool take_unit(struct slice *s, double *ns)
{
	size_t len = 0;

	while (len < s->len && !is_digit(s->data[len]) && s->data[len] != '.')
		len++;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (slice_equal((struct slice){s->data, len}, slice_of(units[i].text))) {
			*ns = units[i].ns;
			*s = skip(*s, len);
			return true;
		}
	}
	return false;
}

/* A sum such as 1h30m, or -1.5s. */
static bool parse_duration(struct slice s, double *ns)
{
	bool negative = s.len && *s.data == '-';
	double sum = 0, unit;

	s = skip(s, negative);
	if (!s.len)
		return false;
	while (s.len) {
		size_t digits = digits_len(s);
		struct slice number = {s.data, digits};
		s = skip(s, digits);
		if (!digits || !take_unit(&s, &unit))
			return false;
		sum += read_number(number).number * unit;
	}
	*ns = negative ? -sum : sum;
	return true;
}

bool selector_number(struct slice s, struct value *out)
{
	double ns;

	if (s.len >= NUMBER_SIZE)
		return false;
	if (is_decimal(s) || is_infinite_or_nan(s)) {
		*out = read_number(s);
		return true;
	}
	if (!parse_duration(s, &ns))
		return false;
	*out = (struct value){.type = VALUE_NUMBER, .number = ns};
	return true;
}

bool selector_duration(const char *text, uint64_t *ns)
{
	struct value value;

	/* NaN is neither: a comparison with it is false */
	if (*text == '-' || strlen(text) > 32 || !selector_number(slice_of(text), &value) ||
	    !(value.number >= 0 && value.number <= 1e18))
		return false;
	*ns = (uint64_t)value.number;
	return true;
}
