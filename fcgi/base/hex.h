/* SPDX-License-Identifier: MIT */
/* Hexadecimal digits. Ids are written in lower case. */
#ifndef APM_BASE_HEX_H
#define APM_BASE_HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The digits by value. */
extern const char hex_digits[17];

/* Writes `len` bytes as 2 * `len` characters, without a NUL. */
void hex_encode(const uint8_t *in, size_t len, char *out);

/*
 * Reads 2 * `len` characters into `len` bytes. Returns false and leaves `out` alone when one is no digit; upper case is
 * refused, as W3C Trace Context asks.
 */
bool hex_decode(const char *in, size_t len, uint8_t *out);

/* Returns the value of a digit of either case, -1 for any other character. */
static inline int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Returns the value of the four digits at `s`, -1 when they are not four. */
static inline int hex_unit(const char *s)
{
	int value = 0;

	for (int i = 0; i < 4; i++) {
		int digit = hex_digit(s[i]);
		if (digit < 0)
			return -1;
		value = value << 4 | digit;
	}
	return value;
}

#endif
