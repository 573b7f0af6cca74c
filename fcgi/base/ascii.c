/* SPDX-License-Identifier: MIT */
#include "base/ascii.h"

#include <stdint.h>

char ascii_lower(char c)
{
	if (c >= 'A' && c <= 'Z')
		c = (char)(c | 0x20);
	return c;
}

char ascii_upper(char c)
{
	if (c >= 'a' && c <= 'z')
		c = (char)(c & ~0x20);
	return c;
}

bool ascii_same_start(const char *a, const char *b, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (ascii_lower(a[i]) != ascii_lower(b[i]))
			return false;
		if (!a[i])
			break;
	}
	return true;
}

bool ascii_same(const char *a, const char *b)
{
	return ascii_same_start(a, b, SIZE_MAX);
}
