/* SPDX-License-Identifier: MIT */
#include "base/json_lex.h"

#include <string.h>

#include "base/hex.h"
#include "base/utf8.h"

enum { A_VALUE, A_VALUE_OR_END, A_NAME, A_NAME_OR_END, A_COMMA_OR_END, THE_END };

void json_lex_begin(struct json_lex *lex, const char *text, size_t len)
{
	*lex = (struct json_lex){.begin = text, .at = text, .end = text + len, .expect = A_VALUE};
}

static enum json_token bad(struct json_lex *lex, const char *fault)
{
	lex->fault = fault;
	return lex->token = JSON_LEX_BAD;
}

static enum json_token expected(struct json_lex *lex, const char *fault)
{
	return bad(lex, lex->at == lex->end ? "it ends too early" : fault);
}

static int peek(const struct json_lex *lex)
{
	return lex->at < lex->end ? (unsigned char)*lex->at : -1;
}

static void skip_spaces(struct json_lex *lex)
{
	while (lex->at < lex->end && (*lex->at == ' ' || *lex->at == '\n' || *lex->at == '\r' || *lex->at == '\t'))
		lex->at++;
}

/* ---- levels ---- */

static bool in_object(const struct json_lex *lex)
{
	unsigned level = lex->depth - 1;

	return lex->depth && lex->objects[level / 64] >> level % 64 & 1;
}

static void after_value(struct json_lex *lex)
{
	lex->expect = lex->depth ? A_COMMA_OR_END : THE_END;
}

static enum json_token open_level(struct json_lex *lex, bool object)
{
	uint64_t bit = UINT64_C(1) << lex->depth % 64;

	if (lex->depth == JSON_LEX_DEPTH_MAX)
		return bad(lex, "it has more than 128 levels");
	lex->objects[lex->depth / 64] &= ~bit;
	if (object)
		lex->objects[lex->depth / 64] |= bit;
	lex->depth++;
	lex->at++;
	lex->expect = object ? A_NAME_OR_END : A_VALUE_OR_END;
	return lex->token = object ? JSON_LEX_OBJECT : JSON_LEX_ARRAY;
}

static enum json_token close_level(struct json_lex *lex)
{
	bool object = in_object(lex);

	if (peek(lex) != (object ? '}' : ']'))
		return expected(lex, object ? "a comma or } is missing" : "a comma or ] is missing");
	lex->at++;
	lex->depth--;
	after_value(lex);
	return lex->token = object ? JSON_LEX_OBJECT_END : JSON_LEX_ARRAY_END;
}

/* ---- values ---- */

/* Skips an escape; `at` is after its backslash. */
static bool skip_escape(struct json_lex *lex)
{
	int kind = peek(lex);

	if (kind == 'u') {
		if (lex->end - lex->at < 5 || hex_unit(lex->at + 1) < 0)
			return false;
		lex->at += 5;
		return true;
	}
	if (kind <= 0 || !strchr("\"\\/bfnrt", kind))
		return false;
	lex->at++;
	return true;
}

static bool take_text(struct json_lex *lex)
{
	lex->at++;
	lex->text = lex->at;
	lex->escaped = false;
	for (int c = peek(lex); c != '"'; c = peek(lex)) {
		if (c < 0x20) {
			expected(lex, "a control character is in a string");
			return false;
		}
		lex->at++;
		if (c != '\\')
			continue;
		lex->escaped = true;
		if (!skip_escape(lex)) {
			expected(lex, "an escape is wrong");
			return false;
		}
	}
	lex->len = (size_t)(lex->at - lex->text);
	if (!utf8_valid(lex->text, lex->len)) {
		lex->at = lex->text;
		bad(lex, "a string is not UTF-8");
		return false;
	}
	lex->at++;
	return true;
}

static bool skip_digits(struct json_lex *lex)
{
	const char *begin = lex->at;

	while (lex->at < lex->end && *lex->at >= '0' && *lex->at <= '9')
		lex->at++;
	return lex->at != begin;
}

static enum json_token take_number(struct json_lex *lex)
{
	if (peek(lex) == '-')
		lex->at++;
	bool zero = peek(lex) == '0';
	const char *digits = lex->at;
	bool good = skip_digits(lex) && !(zero && lex->at - digits > 1);
	if (good && peek(lex) == '.') {
		lex->at++;
		good = skip_digits(lex);
	}
	if (good && (peek(lex) == 'e' || peek(lex) == 'E')) {
		lex->at++;
		if (peek(lex) == '+' || peek(lex) == '-')
			lex->at++;
		good = skip_digits(lex);
	}
	lex->len = (size_t)(lex->at - lex->text);
	return good ? lex->token = JSON_LEX_NUMBER : expected(lex, "a number is wrong");
}

static enum json_token take_word(struct json_lex *lex, const char *word, enum json_token token)
{
	lex->len = strlen(word);
	if ((size_t)(lex->end - lex->at) < lex->len || memcmp(lex->at, word, lex->len) != 0)
		return bad(lex, "a value is missing");
	lex->at += lex->len;
	return lex->token = token;
}

static enum json_token take_value(struct json_lex *lex)
{
	int first = peek(lex);

	if (first == '{' || first == '[')
		return open_level(lex, first == '{');
	after_value(lex);
	switch (first) {
	case '"': return take_text(lex) ? lex->token = JSON_LEX_STRING : JSON_LEX_BAD;
	case 't': return take_word(lex, "true", JSON_LEX_TRUE);
	case 'f': return take_word(lex, "false", JSON_LEX_FALSE);
	case 'n': return take_word(lex, "null", JSON_LEX_NULL);
	default: break;
	}
	if (first == '-' || (first >= '0' && first <= '9'))
		return take_number(lex);
	return expected(lex, "a value is missing");
}

static enum json_token take_name(struct json_lex *lex)
{
	if (peek(lex) != '"')
		return expected(lex, "the name of a member is missing");
	if (!take_text(lex))
		return JSON_LEX_BAD;
	skip_spaces(lex);
	if (peek(lex) != ':')
		return expected(lex, "a colon is missing");
	lex->at++;
	lex->expect = A_VALUE;
	return lex->token = JSON_LEX_NAME;
}

enum json_token json_lex_next(struct json_lex *lex)
{
	if (lex->fault)
		return JSON_LEX_BAD;
	skip_spaces(lex);
	if (lex->expect == A_COMMA_OR_END) {
		if (peek(lex) != ',')
			return lex->text = lex->at, close_level(lex);
		lex->at++;
		skip_spaces(lex);
		lex->expect = in_object(lex) ? A_NAME : A_VALUE;
	}
	lex->text = lex->at;
	lex->len = 0;
	switch (lex->expect) {
	case THE_END: return lex->at == lex->end ? lex->token = JSON_LEX_END : bad(lex, "something follows it");
	case A_NAME_OR_END: return peek(lex) == '}' ? close_level(lex) : take_name(lex);
	case A_NAME: return take_name(lex);
	case A_VALUE_OR_END: return peek(lex) == ']' ? close_level(lex) : take_value(lex);
	default: return take_value(lex);
	}
}

bool json_lex_skip(struct json_lex *lex)
{
	if (lex->token != JSON_LEX_OBJECT && lex->token != JSON_LEX_ARRAY)
		return lex->token != JSON_LEX_BAD;
	for (unsigned depth = lex->depth; lex->depth >= depth;)
		if (json_lex_next(lex) == JSON_LEX_BAD)
			return false;
	return true;
}

/* ---- texts ---- */

/*
 * Reads \uXXXX, or two of them for a character beyond U+FFFF; `at` is after the u. Returns the end, or NULL for half of
 * a pair.
 */
static const char *add_unit(struct buf *out, const char *at, const char *end)
{
	uint32_t c = (uint32_t)hex_unit(at);

	at += 4;
	if (c >= 0xd800 && c < 0xdc00) {
		if (end - at < 6 || at[0] != '\\' || at[1] != 'u')
			return NULL;
		uint32_t low = (uint32_t)hex_unit(at + 2);
		if (low < 0xdc00 || low > 0xdfff)
			return NULL;
		c = 0x10000 + ((c & 0x3ff) << 10 | (low & 0x3ff));
		at += 6;
	} else if (c >= 0xdc00 && c < 0xe000) {
		return NULL;
	}
	char character[4];
	buf_add(out, character, utf8_encode(c, character));
	return at;
}

static char control_of(char letter)
{
	switch (letter) {
	case 'b': return '\b';
	case 'f': return '\f';
	case 'n': return '\n';
	case 'r': return '\r';
	case 't': return '\t';
	default: return letter;
	}
}

bool json_lex_text(struct json_lex *lex, struct buf *out)
{
	const char *end = lex->text + lex->len;

	for (const char *at = lex->text; at < end;) {
		const char *escape = lex->escaped ? memchr(at, '\\', (size_t)(end - at)) : NULL;
		size_t plain = (size_t)((escape ? escape : end) - at);
		buf_add(out, at, plain);
		at += plain;
		if (!escape)
			break;
		if (at[1] != 'u') {
			buf_addc(out, control_of(at[1]));
			at += 2;
			continue;
		}
		at = add_unit(out, at + 2, end);
		if (!at) {
			lex->at = escape;
			bad(lex, "half of a surrogate pair is in a string");
			return false;
		}
	}
	return true;
}

bool json_lex_is(const struct json_lex *lex, const char *text)
{
	char storage[256];
	struct buf plain;
	struct json_lex copy = *lex;

	if (!lex->escaped)
		return strlen(text) == lex->len && memcmp(text, lex->text, lex->len) == 0;
	buf_init_fixed(&plain, storage, sizeof(storage));
	return json_lex_text(&copy, &plain) && !plain.failed && strlen(text) == plain.len &&
	       memcmp(text, storage, plain.len) == 0;
}
