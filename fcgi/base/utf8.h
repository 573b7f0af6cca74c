/* SPDX-License-Identifier: MIT */
/* UTF-8 as RFC 3629 defines it: shortest forms only, no surrogates, up to U+10FFFF. */
#ifndef APM_BASE_UTF8_H
#define APM_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UTF8_REPLACEMENT "\xef\xbf\xbd" /* U+FFFD, in the place of what is not UTF-8 */

/* Returns the length (1-4) of the valid sequence at `s`, of which `left` bytes can be read; 0 when it is not valid. */
size_t utf8_sequence(const char *s, size_t left);

/*
 * Where utf8_sequence() returned 0 and `left` > 0, returns the length (1-3) of the maximal ill-formed subpart at `s`,
 * which one U+FFFD replaces (Unicode 15, section 3.9, "U+FFFD Substitution of Maximal Subparts").
 */
size_t utf8_ill_formed(const char *s, size_t left);

/* Writes a code point (not a surrogate, 0x10ffff at most) to `out`, 4 bytes at most; returns how many. */
size_t utf8_encode(uint32_t code, char *out);

/* Returns true when all bytes are valid UTF-8. */
bool utf8_valid(const char *s, size_t len);

/* Returns the number of code points. The text must be valid. */
size_t utf8_length(const char *s, size_t len);

/* Returns true when the text has a control character: U+0000-001F, U+007F or U+0080-009F. The text must be valid. */
bool utf8_has_control(const char *s, size_t len);

#endif
