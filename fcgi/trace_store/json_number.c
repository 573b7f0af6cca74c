/* SPDX-License-Identifier: MIT */
#include "trace_store/json_number.h"

#include <math.h>
#include <string.h>

#include "base/c_locale.h"

#define DOUBLE_CHARACTERS_MAX 1000
#define EXPONENT_MAX 1000000000 /* a larger one gives the same result */

/* A number as it is written. */
struct decimal {
	bool negative;
	const char *digits; /* with one point at most */
	size_t len;
	int64_t exponent;
};

static size_t count_digits(const char *text, size_t len)
{
	size_t count = 0;

	while (count < len && text[count] >= '0' && text[count] <= '9')
		count++;
	return count;
}

static bool read_exponent(const char *text, size_t len, int64_t *out)
{
	size_t sign = len && (*text == '+' || *text == '-');

	if (len == sign || count_digits(text + sign, len - sign) != len - sign)
		return false;
	*out = 0;
	for (size_t i = sign; i < len; i++)
		*out = *out < EXPONENT_MAX ? *out * 10 + (text[i] - '0') : *out;
	*out = *text == '-' ? -*out : *out;
	return true;
}

static bool read_decimal(const char *text, size_t len, struct decimal *out)
{
	*out = (struct decimal){.negative = len && *text == '-'};
	out->digits = text + out->negative;
	len -= out->negative;
	size_t whole = count_digits(out->digits, len), part = 0;
	out->len = whole;
	if (whole < len && out->digits[whole] == '.') {
		part = count_digits(out->digits + whole + 1, len - whole - 1);
		out->len = whole + 1 + part;
		if (!part)
			return false;
	}
	if (!whole)
		return false;
	if (out->len == len)
		return true;
	return (out->digits[out->len] == 'e' || out->digits[out->len] == 'E') &&
	       read_exponent(out->digits + out->len + 1, len - out->len - 1, &out->exponent);
}

/*
 * Reads the digits from the first to the last that is not 0 as a whole number, which has to be multiplied by ten to the
 * power of *exponent. Returns false if it has more than 64 bits.
 */
static bool read_digits(const struct decimal *d, uint64_t *value, int64_t *exponent)
{
	const char *point = memchr(d->digits, '.', d->len);
	size_t first = 0, end = d->len;
	bool fits = true;

	while (first < end && (d->digits[first] == '0' || d->digits[first] == '.'))
		first++;
	while (end > first && (d->digits[end - 1] == '0' || d->digits[end - 1] == '.'))
		end--;
	*value = 0;
	for (size_t i = first; i < end && fits; i++)
		if (d->digits[i] != '.')
			fits = !__builtin_mul_overflow(*value, 10, value) &&
			       !__builtin_add_overflow(*value, (uint64_t)(d->digits[i] - '0'), value);
	size_t whole = point ? (size_t)(point - d->digits) : d->len; /* digits before the point */
	*exponent = d->exponent + (end <= whole ? (int64_t)(whole - end) : -(int64_t)(end - whole - 1));
	return fits;
}

enum json_number json_number_integer(const char *text, size_t len, bool is_signed, uint64_t *out)
{
	struct decimal decimal;
	uint64_t value;
	int64_t exponent;

	if (!read_decimal(text, len, &decimal))
		return JSON_NUMBER_MALFORMED;
	bool fits = read_digits(&decimal, &value, &exponent);
	if (fits && value == 0)
		exponent = 0;
	if (exponent < 0)
		return JSON_NUMBER_FRACTION;
	for (; fits && exponent; exponent--)
		fits = !__builtin_mul_overflow(value, 10, &value);
	uint64_t max = !is_signed ? UINT64_MAX : (uint64_t)INT64_MAX + decimal.negative;
	if (!fits || value > max || (!is_signed && decimal.negative && value))
		return JSON_NUMBER_RANGE;
	*out = decimal.negative ? 0 - value : value;
	return JSON_NUMBER_GOOD;
}

static bool is_word(const char *text, size_t len, const char *word)
{
	return len == strlen(word) && memcmp(text, word, len) == 0;
}

enum json_number json_number_double(const char *text, size_t len, double *out)
{
	char copy[DOUBLE_CHARACTERS_MAX + 1];
	struct decimal decimal;

	if (is_word(text, len, "NaN") || is_word(text, len, "Infinity") || is_word(text, len, "-Infinity")) {
		*out = *text == 'N' ? NAN : *text == '-' ? -INFINITY : INFINITY;
		return JSON_NUMBER_GOOD;
	}
	if (len > DOUBLE_CHARACTERS_MAX || !read_decimal(text, len, &decimal))
		return JSON_NUMBER_MALFORMED;
	memcpy(copy, text, len);
	copy[len] = '\0';
	*out = c_locale_strtod(copy, NULL);
	return isfinite(*out) ? JSON_NUMBER_GOOD : JSON_NUMBER_RANGE;
}
