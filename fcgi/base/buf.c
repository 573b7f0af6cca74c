/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/c_locale.h"

#define FIRST_CAPACITY 256

void buf_init(struct buf *b, size_t max_bytes)
{
	*b = (struct buf){.max = max_bytes};
}

void buf_init_fixed(struct buf *b, char *storage, size_t size)
{
	*b = (struct buf){.data = storage, .cap = size, .max = size - 1};
	storage[0] = '\0';
}

void buf_widen(struct buf *b, size_t len)
{
	b->cap += len;
	b->max += len;
}

void buf_done(struct buf *b)
{
	free(b->data);
	*b = (struct buf){.max = b->max};
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	b->failed = false;
	if (b->data)
		b->data[0] = '\0';
}

bool buf_grow(struct buf *b, size_t len)
{
	if (b->failed)
		return false;
	if (len > b->max - b->len) {
		b->failed = true;
		return false;
	}
	size_t cap = b->cap ? b->cap : FIRST_CAPACITY;
	while (cap <= b->len + len)
		cap = cap > b->max / 2 ? b->max + 1 : cap * 2;
	char *data = realloc(b->data, cap);
	if (!data) {
		b->failed = true;
		return false;
	}
	if (!b->data)
		data[0] = '\0';
	b->data = data;
	b->cap = cap;
	return true;
}

void buf_add(struct buf *b, const void *data, size_t len)
{
	if (!buf_reserve(b, len))
		return;
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void buf_adds(struct buf *b, const char *text)
{
	buf_add(b, text, strlen(text));
}

void buf_addc(struct buf *b, char c)
{
	if (!buf_reserve(b, 1))
		return;
	b->data[b->len++] = c;
	b->data[b->len] = '\0';
}

void buf_addf(struct buf *b, const char *format, ...)
{
	va_list args;

	if (b->failed)
		return;
	va_start(args, format);
	int len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len < 0) {
		b->failed = true;
		return;
	}
	if (!buf_reserve(b, (size_t)len))
		return;
	va_start(args, format);
	vsnprintf(b->data + b->len, (size_t)len + 1, format, args);
	va_end(args);
	b->len += (size_t)len;
}

void buf_add_int(struct buf *b, long long value)
{
	char digits[20];
	char *const end = digits + sizeof(digits);
	char *p = end;
	unsigned long long rest = value < 0 ? 0 - (unsigned long long)value : (unsigned long long)value;

	do {
		*--p = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest);
	if (value < 0)
		*--p = '-';
	buf_add(b, p, (size_t)(end - p));
}

/*
 * Durations and amounts are mostly thousandths, which need no printf: below 10^12 they have 15 digits at most, so the
 * decimal reads back as the same number, and no shorter one does. Returns false when the value is no such number.
 */
static bool add_thousandths(struct buf *b, double value)
{
	if (!(fabs(value) < 1e12) || (value == 0 && signbit(value)))
		return false;
	long long thousandths = llrint(value * 1000);
	if ((double)thousandths / 1000 != value)
		return false;

	if (thousandths < 0)
		buf_addc(b, '-');
	thousandths = llabs(thousandths);
	buf_add_int(b, thousandths / 1000);
	char fraction[4] = {'.', (char)('0' + thousandths / 100 % 10), (char)('0' + thousandths / 10 % 10),
			    (char)('0' + thousandths % 10)};
	size_t len = sizeof(fraction);
	while (len > 1 && fraction[len - 1] == '0')
		len--;
	buf_add(b, fraction, len > 1 ? len : 0);
	return true;
}

void buf_add_double(struct buf *b, double value)
{
	/* 15 digits say every decimal of up to 15 digits, but for subnormal numbers, which have fewer. */
	int digits = fabs(value) < DBL_MIN ? 1 : DBL_DIG;
	char text[48];

	if (add_thousandths(b, value))
		return;
	do
		c_locale_double(text, sizeof(text), digits, value);
	while (digits++ < DBL_DECIMAL_DIG && c_locale_strtod(text, NULL) != value);
	buf_adds(b, text);
}
