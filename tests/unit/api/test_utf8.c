/* SPDX-License-Identifier: MIT */
#include "cmocka_all.h"

#include <string.h>

#include "base/utf8.h"

/* An independent judge: decodes by arithmetic and encodes back. */
static size_t reference_sequence(const unsigned char *s, size_t left)
{
	size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc0 ? 2 : 0;
	static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};

	if (n == 0 || n > left || s[0] > 0xf7)
		return 0;
	unsigned code = n == 1 ? s[0] : s[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3f);
	}
	return code < least[n] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff) ? 0 : n;
}

static const unsigned char edges[] = {0x00, 0x7f, 0x80, 0xbf, 0xc0, 0xff};
#define EDGES sizeof(edges)

/* Every lead byte with every second byte, and every edge behind them. */
static void every_sequence_agrees_with_the_reference(void **state)
{
	(void)state;
	for (unsigned first = 0; first < 256; first++) {
		for (unsigned second = 0; second < 256; second++) {
			for (size_t rest = 0; rest < EDGES * EDGES; rest++) {
				unsigned char s[4] = {(unsigned char)first, (unsigned char)second, edges[rest / EDGES],
						      edges[rest % EDGES]};
				for (size_t left = 1; left <= 4; left++) {
					if (utf8_sequence((char *)s, left) != reference_sequence(s, left))
						fail_msg("%02x %02x %02x %02x, %zu left", s[0], s[1], s[2], s[3], left);
				}
			}
		}
	}
}

/* Unicode 15, section 3.9, tables 3-8 to 3-11: bytes of each U+FFFD. */
static void ill_formed_parts_are_maximal(void **state)
{
	static const struct {
		const char *text;
		const char *lengths; /* one digit a part; 'v' and a digit is a valid sequence */
	} cases[] = {
		{"\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41", "11111111v1"},
		{"\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41", "11111111v1"},
		{"\xf4\x91\x92\x93\xff\x41\x80\xbf\x42", "11111v111v1"},
		{"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", "2132v1"},
		{"\xe6\xb5\x8b\xe6\xb5", "v32"},
		{"\xf0\x9f\x98", "3"},
		{"\xf0\x9f\x98\x80", "v4"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *s = cases[i].text;
		size_t left = strlen(s);
		for (const char *want = cases[i].lengths; *want; want++) {
			size_t n = utf8_sequence(s, left);
			if (*want == 'v') {
				want++;
			} else {
				assert_int_equal(n, 0);
				n = utf8_ill_formed(s, left);
			}
			assert_int_equal(n, (size_t)(*want - '0'));
			s += n;
			left -= n;
		}
		assert_int_equal(left, 0);
	}
}

static void whole_texts(void **state)
{
	(void)state;
	assert_true(utf8_valid("", 0));
	assert_true(utf8_valid("测试商品", 12));
	assert_false(utf8_valid("测试商品", 11));
	assert_false(utf8_valid("a\xff", 2));
	assert_true(utf8_valid("a\0b", 3));
	assert_int_equal(utf8_length("测试商品", 12), 4);
	assert_int_equal(utf8_length("😀a", 5), 2);
	assert_int_equal(utf8_length("", 0), 0);
}

static void every_code_point_is_encoded_as_it_is_read(void **state)
{
	char text[4];

	(void)state;
	for (uint32_t code = 0; code <= 0x10ffff; code++) {
		if (code >= 0xd800 && code <= 0xdfff)
			continue;
		size_t len = utf8_encode(code, text);
		assert_int_equal(utf8_sequence(text, len), len);
		uint32_t read = len == 1 ? (uint8_t)text[0] : (uint8_t)text[0] & (0x7fu >> len);
		for (size_t i = 1; i < len; i++)
			read = read << 6 | ((uint8_t)text[i] & 0x3f);
		assert_int_equal(read, code);
	}
}

static void controls(void **state)
{
	(void)state;
	assert_false(utf8_has_control("Tee, 测试 ¡", strlen("Tee, 测试 ¡")));
	assert_true(utf8_has_control("a\0", 2));
	assert_true(utf8_has_control("\n", 1));
	assert_true(utf8_has_control("\x7f", 1));
	assert_true(utf8_has_control("a\xc2\x80", 3));
	assert_true(utf8_has_control("\xc2\x9f", 2));
	assert_false(utf8_has_control("\xc2\xa0", 2));
	assert_false(utf8_has_control("\xe2\x80\xa8", 3));
	assert_false(utf8_has_control("\xc3\x80", 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_sequence_agrees_with_the_reference),
		cmocka_unit_test(ill_formed_parts_are_maximal),
		cmocka_unit_test(whole_texts),
		cmocka_unit_test(every_code_point_is_encoded_as_it_is_read),
		cmocka_unit_test(controls),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
