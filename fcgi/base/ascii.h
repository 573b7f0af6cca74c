/* SPDX-License-Identifier: MIT */
/*
 * Letters without regard to the locale: only A to Z have a case. Headers, schemes and names of settings are compared
 * like that, in Istanbul too. Pure.
 */
#ifndef APM_BASE_ASCII_H
#define APM_BASE_ASCII_H

#include <stdbool.h>
#include <stddef.h>

char ascii_lower(char c);
char ascii_upper(char c);

/* Returns true when the texts are equal but for the case of their letters. */
bool ascii_same(const char *a, const char *b);

/* The same for their first `len` bytes, or fewer when a text ends before that. */
bool ascii_same_start(const char *a, const char *b, size_t len);

#endif
