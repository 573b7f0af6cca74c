/* SPDX-License-Identifier: MIT */
#include "base/plain.h"

#include <locale.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static locale_t plain;

/* All categories of "C": glibc and musl hold that one ready, so nothing is allocated and nothing can fail. */
static void make_plain(void)
{
	plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

/* The locale of this thread before; give it back with uselocale(). */
static locale_t enter(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make_plain);
	return uselocale(plain);
}

double plain_strtod(const char *text, char **end)
{
	locale_t before = enter();
	double value = strtod(text, end);

	uselocale(before);
	return value;
}

void plain_double(char *out, size_t size, int digits, double value)
{
	locale_t before = enter();

	snprintf(out, size, "%.*g", digits, value);
	uselocale(before);
}

char plain_lower(char c)
{
	if (c >= 'A' && c <= 'Z')
		c = (char)(c | 0x20);
	return c;
}

char plain_upper(char c)
{
	if (c >= 'a' && c <= 'z')
		c = (char)(c & ~0x20);
	return c;
}

bool plain_same_start(const char *a, const char *b, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (plain_lower(a[i]) != plain_lower(b[i]))
			return false;
		if (!a[i])
			break;
	}
	return true;
}

bool plain_same(const char *a, const char *b)
{
	return plain_same_start(a, b, SIZE_MAX);
}
