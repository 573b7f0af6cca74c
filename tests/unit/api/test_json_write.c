/* SPDX-License-Identifier: MIT */
#include "cmocka_all.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/json_write.h"
#include "base/random.h"
#include "base/utf8.h"
#include "strict_json.h"

#define WRITE(text, ...)                                                                                               \
	do {                                                                                                           \
		BUF(out, 1 << 16);                                                                                     \
		struct json_writer w;                                                                                  \
		json_init(&w, &out);                                                                                   \
		__VA_ARGS__;                                                                                           \
		assert_false(out.failed);                                                                              \
		assert_string_equal(out.data, text);                                                                   \
	} while (0)

static void nests_and_separates(void **state)
{
	(void)state;
	WRITE("{}", json_begin_object(&w); json_end_object(&w));
	WRITE("{\"a\":[],\"b\":[1,[2],{\"c\":null}],\"d\":true,\"e\":false}", {
		json_begin_object(&w);
		json_key(&w, "a");
		json_begin_array(&w);
		json_end_array(&w);
		json_key(&w, "b");
		json_begin_array(&w);
		json_int(&w, 1);
		json_begin_array(&w);
		json_int(&w, 2);
		json_end_array(&w);
		json_begin_object(&w);
		json_key(&w, "c");
		json_null(&w);
		json_end_object(&w);
		json_end_array(&w);
		json_key(&w, "d");
		json_boolean(&w, true);
		json_key(&w, "e");
		json_boolean(&w, false);
		json_end_object(&w);
	});
}

static void nests_deeply(void **state)
{
	(void)state;
	BUF(out, 1000);
	struct json_writer w;
	json_init(&w, &out);
	for (int i = 0; i < 63; i++)
		json_begin_array(&w);
	json_int(&w, 1);
	json_int(&w, 2);
	for (int i = 0; i < 63; i++)
		json_end_array(&w);
	assert_int_equal(out.len, 63 + 3 + 63);
	assert_memory_equal(out.data + 62, "[1,2]", 5);
}

static void escapes(void **state)
{
	(void)state;
	WRITE("\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u0001\\u000b\\u001f\\u007f\"",
	      json_string(&w, "\"\\/\b\f\n\r\t\0\x01\x0b\x1f\x7f", 13));
	WRITE("\"\\u0080\\u0085\\u009f\xc2\xa0\"", json_text(&w, "\xc2\x80\xc2\x85\xc2\x9f\xc2\xa0"));
	WRITE("\"\\u2028\\u2029\xe2\x80\xaa\"", json_text(&w, "\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa"));
	WRITE("\"测试商品😀\"", json_text(&w, "测试商品😀"));
	WRITE("null", json_text(&w, NULL));
	WRITE("\"\"", json_text(&w, ""));
}

static void replaces_what_is_not_utf8(void **state)
{
	(void)state;
	WRITE("\"a\xef\xbf\xbd\"", json_text(&w, "a\xff"));
	WRITE("\"\xef\xbf\xbd\xef\xbf\xbd/\"", json_text(&w, "\xc0\xaf/"));
	WRITE("\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"", json_text(&w, "\xed\xa0\x80"));
	WRITE("\"\xef\xbf\xbd"
	      "A\"",
	      json_text(&w, "\xf0\x9f\x98"
			    "A"));
	WRITE("\"\xef\xbf\xbd\"", json_string(&w, "\xe6\xb5\x8b", 2));
}

static void cuts_between_characters(void **state)
{
	(void)state;
	WRITE("\"ab\"", assert_false(json_string_cut(&w, "abc", 3, 2)));
	WRITE("\"abc\"", assert_true(json_string_cut(&w, "abc", 3, 3)));
	WRITE("\"\"", assert_false(json_string_cut(&w, "测", 3, 2)));
	WRITE("\"测\"", assert_true(json_string_cut(&w, "测", 3, 3)));
	WRITE("\"a\"", assert_false(json_string_cut(&w, "a\n", 2, 2)));
	WRITE("\"a\\n\"", assert_true(json_string_cut(&w, "a\n", 2, 3)));
	WRITE("\"\"", assert_false(json_string_cut(&w, "\xff", 1, 2)));
	WRITE("\"\"", assert_true(json_string_cut(&w, "", 0, 0)));
}

static void numbers(void **state)
{
	(void)state;
	WRITE("[-9223372036854775808,9223372036854775807,0]", {
		json_begin_array(&w);
		json_int(&w, INT64_MIN);
		json_int(&w, INT64_MAX);
		json_int(&w, 0);
		json_end_array(&w);
	});
	WRITE("[0.1,1e+300,null,null,null,99.99,-0.0,0]", {
		json_begin_array(&w);
		json_double(&w, 0.1);
		json_double(&w, 1e300);
		json_double(&w, NAN);
		json_double(&w, INFINITY);
		json_double(&w, -INFINITY);
		json_double(&w, 99.99);
		json_double(&w, -0.0);
		json_double(&w, 0.0);
		json_end_array(&w);
	});
	WRITE("[99.99,9.9,10,0.01,0,-0.05,-1.5,-92233720368547758.08,92233720368547758.07]", {
		json_begin_array(&w);
		json_hundredths(&w, 9999);
		json_hundredths(&w, 990);
		json_hundredths(&w, 1000);
		json_hundredths(&w, 1);
		json_hundredths(&w, 0);
		json_hundredths(&w, -5);
		json_hundredths(&w, -150);
		json_hundredths(&w, INT64_MIN);
		json_hundredths(&w, INT64_MAX);
		json_end_array(&w);
	});
	WRITE("\"00ff5a\"", json_hex(&w, (const uint8_t *)"\x00\xff\x5a", 3));
}

static void write_something(struct buf *out)
{
	struct json_writer w;

	json_init(&w, out);
	json_begin_object(&w);
	json_key(&w, "key");
	json_text(&w, "text\n测\xff");
	json_key(&w, "hex");
	json_hex(&w, (const uint8_t *)"12345678", 8);
	json_key(&w, "n");
	json_double(&w, 0.1);
	json_end_object(&w);
}

static void a_full_buffer_stays_within_its_storage(void **state)
{
	struct buf out;
	char storage[101];

	(void)state;
	buf_init_fixed(&out, storage, sizeof(storage));
	write_something(&out);
	size_t whole = out.len;
	assert_in_range(whole, 50, 70);
	for (size_t size = 1; size <= 100; size++) {
		memset(storage, '#', sizeof(storage));
		buf_init_fixed(&out, storage, size);
		write_something(&out);
		assert_int_equal(storage[size], '#');
		assert_int_equal(storage[out.len], '\0');
		assert_int_equal(out.failed, size <= whole);
	}
}

/* json-c is the judge: any bytes give valid JSON in valid UTF-8, and valid text comes back as it was. */
static void any_bytes_give_valid_json(void **state)
{
	(void)state;
	BUF(out, 1 << 16);
	struct json_tokener *tokener = strict_json();
	for (int round = 0; round < 20000; round++) {
		char bytes[64];
		size_t length = random_u64() % sizeof(bytes);
		for (size_t i = 0; i < length; i++) {
			uint64_t r = random_u64();
			bytes[i] = (char)(r & 1 ? 0xc0 | (r >> 8 & 0x3f) : r & 2 ? 0x80 | (r >> 8 & 0x3f) : r >> 8);
		}
		if (round % 2) {
			memcpy(bytes, "\x01测\"\\试😀\xc2\x85\xe2\x80\xa8\n", 19);
			length = 19;
		}
		buf_reset(&out);
		struct json_writer w;
		json_init(&w, &out);
		json_string(&w, bytes, length);
		assert_true(utf8_valid(out.data, out.len));

		json_tokener_reset(tokener);
		struct json_object *parsed = json_tokener_parse_ex(tokener, out.data, (int)out.len + 1);
		if (json_tokener_get_error(tokener) != json_tokener_success)
			fail_msg("not JSON: %s", out.data);
		if (utf8_valid(bytes, length)) {
			assert_int_equal(json_object_get_string_len(parsed), length);
			assert_memory_equal(json_object_get_string(parsed), bytes, length);
		}
		json_object_put(parsed);
	}
	json_tokener_free(tokener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nests_and_separates),
		cmocka_unit_test(nests_deeply),
		cmocka_unit_test(escapes),
		cmocka_unit_test(replaces_what_is_not_utf8),
		cmocka_unit_test(cuts_between_characters),
		cmocka_unit_test(numbers),
		cmocka_unit_test(a_full_buffer_stays_within_its_storage),
		cmocka_unit_test(any_bytes_give_valid_json),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
