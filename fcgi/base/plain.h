/* SPDX-License-Identifier: MIT */
/*
 * What the C library does after the customs of the locale, done as in the locale "C": a host program may have called
 * setlocale(), and a metric, a header or a setting means the same in Berlin, Istanbul and Beijing. Any thread may call.
 */
#ifndef APM_BASE_PLAIN_H
#define APM_BASE_PLAIN_H

#include <stdbool.h>
#include <stddef.h>

/* strtod() with a point. */
double plain_strtod(const char *text, char **end);

/* snprintf("%.*g") with a point. `digits`: 1 to 17; `size`: 32 is enough for each number. */
void plain_double(char *out, size_t size, int digits, double value);

/* Only the letters A to Z have a case: what headers, schemes and names of settings are compared with. */
char plain_lower(char c);
char plain_upper(char c);
bool plain_same(const char *a, const char *b);
/* The first `length` bytes, as strncasecmp() has it. */
bool plain_same_start(const char *a, const char *b, size_t length);

#endif
