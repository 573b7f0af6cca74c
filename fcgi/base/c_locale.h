/* SPDX-License-Identifier: MIT */
/*
 * Numbers as the locale "C" writes them, with a point: a host program may have called setlocale(), and a metric, a
 * header or a setting must mean the same in Berlin, Istanbul and Beijing. Any thread may call.
 */
#ifndef APM_BASE_C_LOCALE_H
#define APM_BASE_C_LOCALE_H

#include <stddef.h>

/* Does what strtod() does in the locale "C". */
double c_locale_strtod(const char *text, char **end);

/* Does what snprintf("%.*g") does in the locale "C". `digits` is 1 to 17; a `size` of 32 is enough for every number. */
void c_locale_double(char *out, size_t size, int digits, double value);

#endif
