/* SPDX-License-Identifier: MIT */
#include "base/c_locale.h"

#include <locale.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static locale_t c_locale;

/* glibc and musl hold the locale of all categories of "C" ready: nothing is allocated and nothing can fail. */
static void make_c_locale(void)
{
	c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

/* Returns the locale that the thread had, to be given back with uselocale(). */
static locale_t enter(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make_c_locale);
	return uselocale(c_locale);
}

double c_locale_strtod(const char *text, char **end)
{
	locale_t before = enter();
	double value = strtod(text, end);

	uselocale(before);
	return value;
}

void c_locale_double(char *out, size_t size, int digits, double value)
{
	locale_t before = enter();

	snprintf(out, size, "%.*g", digits, value);
	uselocale(before);
}
