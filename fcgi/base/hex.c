/* SPDX-License-Identifier: MIT */
#include "base/hex.h"

const char hex_digits[17] = "0123456789abcdef";

void hex_encode(const uint8_t *in, size_t len, char *out)
{
	for (size_t i = 0; i < len; i++) {
		out[2 * i] = hex_digits[in[i] >> 4];
		out[2 * i + 1] = hex_digits[in[i] & 15];
	}
}

/* One more than the value of a digit, 0 for other characters. Lower case only, as ids are written. */
static const uint8_t digit_values[256] = {
	['0'] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ['a'] = 11, 12, 13, 14, 15, 16,
};

bool hex_decode(const char *in, size_t len, uint8_t *out)
{
	for (size_t i = 0; i < 2 * len; i++)
		if (!digit_values[(uint8_t)in[i]])
			return false;
	for (size_t i = 0; i < len; i++) {
		unsigned high = digit_values[(uint8_t)in[2 * i]] - 1u, low = digit_values[(uint8_t)in[2 * i + 1]] - 1u;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}
