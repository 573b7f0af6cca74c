/* SPDX-License-Identifier: MIT */
/* JSON as tokens: all that RFC 8259 allows and nothing else, texts without escapes, skipping, the place of a fault. */
#include "cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "base/json_lex.h"

/* One letter for each token. */
static const char *tokens_of(const char *text, size_t len, struct json_lex *lex)
{
	static char out[400];
	size_t count = 0;
	char *copy = malloc(len ? len : 1); /* so that ASan sees a read past its end */

	assert_non_null(copy);
	memcpy(copy, text, len);
	json_lex_begin(lex, copy, len);
	while (json_lex_next(lex) > JSON_LEX_END && count < sizeof(out) - 2)
		out[count++] = "!.{}[]:s1tfn"[lex->token];
	out[count++] = "!."[lex->token == JSON_LEX_END];
	out[count] = '\0';
	assert_int_equal(lex->token == JSON_LEX_BAD, lex->fault != NULL);
	lex->at = text + (lex->at - copy);
	free(copy);
	return out;
}

static void texts_are_tokens(void **state)
{
	static const struct {
		const char *text, *tokens;
	} good[] = {
		{"{}", "{}."},
		{" [ ] ", "[]."},
		{"[1,-2.5e+3,0,0.1E-2,-0]", "[11111]."},
		{"{\"a\":{\"b\":[true,false,null,\"x\"]},\"c\":1}", "{:{:[tfns]}:1}."},
		{"\"\\u00e4\\n\\/\"", "s."},
		{"\t[\r\n[[]]]", "[[[]]]."},
	};
	struct json_lex lex;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_string_equal(tokens_of(good[i].text, strlen(good[i].text), &lex), good[i].tokens);
}

static void what_is_not_json_is_told_with_its_place(void **state)
{
	static const struct {
		const char *text;
		size_t at;
	} wrong[] = {
		{"", 0},
		{"[", 1},
		{"[1", 2},
		{"[1,]", 3},
		{"[,1]", 1},
		{"{,}", 1},
		{"{\"a\"}", 4},
		{"{\"a\":}", 5},
		{"{\"a\":1,}", 7},
		{"{a:1}", 1},
		{"[1 2]", 3},
		{"[1}", 2},
		{"{\"a\":1]", 6},
		{"01", 2},
		{"1.", 2},
		{".5", 0},
		{"+1", 0},
		{"1e", 2},
		{"-", 1},
		{"nul", 0},
		{"True", 0},
		{"'a'", 0},
		{"\"a", 2},
		{"\"\\x\"", 2},
		{"\"\\u12g4\"", 2},
		{"\"a\nb\"", 2},
		{"\"\\", 2},
		{"[] x", 3},
		{"{} {}", 3},
		{"NaN", 0},
		{"\"\xff\"", 1},
		{"// x", 0},
		{"[1]]", 3},
		{"\xef\xbb\xbf{}", 0},
		{"\"\\u12", 2},
		{"{1:2}", 1},
	};
	struct json_lex lex;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		const char *tokens = tokens_of(wrong[i].text, strlen(wrong[i].text), &lex);
		if (tokens[strlen(tokens) - 1] != '!')
			fail_msg("taken: %s", wrong[i].text);
		if ((size_t)(lex.at - wrong[i].text) != wrong[i].at)
			fail_msg("%s: at %zu, not %zu", wrong[i].text, (size_t)(lex.at - wrong[i].text), wrong[i].at);
	}
}

static void levels_are_bounded(void **state)
{
	char text[2 * JSON_LEX_DEPTH_MAX + 3];
	struct json_lex lex;

	(void)state;
	for (size_t depth = JSON_LEX_DEPTH_MAX; depth <= JSON_LEX_DEPTH_MAX + 1; depth++) {
		memset(text, '[', depth);
		memset(text + depth, ']', depth);
		const char *tokens = tokens_of(text, 2 * depth, &lex);
		assert_int_equal(tokens[strlen(tokens) - 1], depth == JSON_LEX_DEPTH_MAX ? '.' : '!');
	}
}

static void texts_lose_their_escapes(void **state)
{
	static const struct {
		const char *text, *plain;
		size_t len;
	} good[] = {
		{"\"plain\"", "plain", 5},
		{"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8},
		{"\"a\\u0000b\"", "a\0b", 3},
		{"\"\\u00e4\\u20AC\\ud83D\\ude00!\"", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80!", 10},
		{"\"\\\\u0041\"", "\\u0041", 6},
	};
	static const char *const halves[] = {"\"\\ud83d\"", "\"\\ude00\"", "\"\\ud83d\\u0041\"", "\"\\ud83dxxxxxx\"",
					     "\"\\ude00\\ud83d\""};
	struct json_lex lex;
	BUF(out, 100);

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		buf_reset(&out);
		json_lex_begin(&lex, good[i].text, strlen(good[i].text));
		assert_int_equal(json_lex_next(&lex), JSON_LEX_STRING);
		assert_true(json_lex_text(&lex, &out));
		assert_int_equal(out.len, good[i].len);
		assert_memory_equal(out.data, good[i].plain, out.len);
		assert_int_equal(json_lex_next(&lex), JSON_LEX_END);
	}
	for (size_t i = 0; i < sizeof(halves) / sizeof(*halves); i++) {
		json_lex_begin(&lex, halves[i], strlen(halves[i]));
		assert_int_equal(json_lex_next(&lex), JSON_LEX_STRING);
		assert_false(json_lex_text(&lex, &out));
		assert_non_null(lex.fault);
		assert_int_equal(json_lex_next(&lex), JSON_LEX_BAD);
	}
}

static void names_are_compared(void **state)
{
	static const char text[] = "{\"a\\u0062c\":1,\"abc\":1,\"abcd\":1,\"ab\\u0000c\":1}";
	static const bool same[] = {true, true, false, false};
	struct json_lex lex;

	(void)state;
	json_lex_begin(&lex, text, strlen(text));
	json_lex_next(&lex);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(json_lex_next(&lex), JSON_LEX_NAME);
		assert_int_equal(json_lex_is(&lex, "abc"), same[i]);
		json_lex_next(&lex);
	}
}

static void a_value_is_skipped(void **state)
{
	static const char text[] = "[[1,{\"a\":[]}],\"x\",{},7]";
	struct json_lex lex;
	unsigned values = 0;

	(void)state;
	json_lex_begin(&lex, text, strlen(text));
	assert_int_equal(json_lex_next(&lex), JSON_LEX_ARRAY);
	for (; json_lex_next(&lex) != JSON_LEX_ARRAY_END; values++)
		assert_true(json_lex_skip(&lex));
	assert_int_equal(values, 4);
	assert_int_equal(json_lex_next(&lex), JSON_LEX_END);
	json_lex_begin(&lex, "[[1,}", 5);
	json_lex_next(&lex);
	assert_false(json_lex_skip(&lex));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_tokens),   cmocka_unit_test(what_is_not_json_is_told_with_its_place),
		cmocka_unit_test(levels_are_bounded), cmocka_unit_test(texts_lose_their_escapes),
		cmocka_unit_test(names_are_compared), cmocka_unit_test(a_value_is_skipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
