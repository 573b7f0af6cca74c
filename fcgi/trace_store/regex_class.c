/* SPDX-License-Identifier: MIT */
/* Characters and classes of them, as states. */
#include <string.h>

#include "base/hex.h"
#include "trace_store/regex_states.h"

static bool is_letter(uint32_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool put_range(struct regex_parser *r, struct regex_state *class, uint32_t from, uint32_t to)
{
	struct regex *regex = r->regex;

	if (regex->range_count == REGEX_RANGES_MAX)
		return regex_fail(r, "the regular expression is too large");
	regex->ranges[regex->range_count++] = (struct regex_range){from, to};
	class->count++;
	return true;
}

/* With (?i) also the other case of each letter. */
static bool add_range(struct regex_parser *r, struct regex_state *class, uint32_t from, uint32_t to)
{
	if (from > to)
		return regex_fail(r, "a range of characters ends before it begins");
	if (!put_range(r, class, from, to))
		return false;
	for (uint32_t c = from; r->fold && c <= to && c < 128; c++)
		if (is_letter(c) && !put_range(r, class, c ^ 0x20, c ^ 0x20))
			return false;
	return true;
}

struct regex_state regex_new_class(const struct regex_parser *r)
{
	return (struct regex_state){.op = OP_CLASS, .first = (uint32_t)r->regex->range_count};
}

bool regex_add_char(struct regex_parser *r, uint32_t c)
{
	struct regex_state class = regex_new_class(r);

	if (!r->fold || !is_letter(c))
		return regex_add(r, (struct regex_state){.op = OP_CHAR, .first = c});
	return add_range(r, &class, c, c) && regex_add(r, class);
}

/* \d and its like into the class; false: not one of these. */
bool regex_add_named(struct regex_parser *r, struct regex_state *class, char name)
{
	static const struct {
		char name;
		struct regex_range ranges[5];
	} classes[] = {
		{'d', {{'0', '9'}}},
		{'w', {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}},
		{'s', {{'\t', '\n'}, {'\f', '\r'}, {' ', ' '}}},
		{'D', {{0, '0' - 1}, {'9' + 1, UINT32_MAX}}},
		{'W', {{0, '0' - 1}, {'9' + 1, 'A' - 1}, {'Z' + 1, '_' - 1}, {'`', '`'}, {'z' + 1, UINT32_MAX}}},
		{'S', {{0, 8}, {11, 11}, {14, 31}, {33, UINT32_MAX}}},
	};
	bool fold = r->fold;

	for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++) {
		if (classes[i].name != name)
			continue;
		r->fold = false;
		for (size_t k = 0; k < 5 && classes[i].ranges[k].to; k++)
			add_range(r, class, classes[i].ranges[k].from, classes[i].ranges[k].to);
		r->fold = fold;
		return true;
	}
	return false;
}

/* After a backslash: one character. */
bool regex_escaped(struct regex_parser *r, uint32_t *c)
{
	static const char names[] = "tnrfva", values[] = "\t\n\r\f\v\a";
	const char *found;

	*c = regex_next_char(&r->p, r->end);
	if (*c == 'x' && r->end - r->p >= 2 && hex_digit(r->p[0]) >= 0 && hex_digit(r->p[1]) >= 0) {
		*c = (uint32_t)(hex_digit(r->p[0]) << 4 | hex_digit(r->p[1]));
		r->p += 2;
		return true;
	}
	if (*c < 128 && *c && (found = strchr(names, (int)*c))) {
		*c = (unsigned char)values[found - names];
		return true;
	}
	if (is_letter(*c) || (*c >= '0' && *c <= '9')) {
		r->p--;
		return regex_fail(r, "the escape is not known in regular expressions");
	}
	return true;
}

static bool class_char(struct regex_parser *r, uint32_t *c)
{
	if (r->p == r->end)
		return regex_fail(r, "[ is not closed");
	*c = regex_next_char(&r->p, r->end);
	if (*c != '\\')
		return true;
	return r->p == r->end ? regex_fail(r, "[ is not closed") : regex_escaped(r, c);
}

/* After [. */
bool regex_parse_class(struct regex_parser *r)
{
	struct regex_state class = regex_new_class(r);
	bool first = true;
	uint32_t from = 0, to;

	if (r->p < r->end && *r->p == '^') {
		class.negated = true;
		r->p++;
	}
	for (; r->p < r->end && (*r->p != ']' || first); first = false) {
		if (r->end - r->p >= 2 && r->p[0] == '\\' && regex_add_named(r, &class, r->p[1])) {
			r->p += 2;
			continue;
		}
		if (r->end - r->p >= 2 && r->p[0] == '[' && r->p[1] == ':')
			return regex_fail(r, "classes by name such as [:alpha:] are not known here");
		if (!class_char(r, &from))
			return false;
		to = from;
		if (r->end - r->p >= 2 && r->p[0] == '-' && r->p[1] != ']') {
			r->p++;
			if (!class_char(r, &to))
				return false;
		}
		if (!add_range(r, &class, from, to))
			return false;
	}
	if (r->p == r->end)
		return regex_fail(r, "[ is not closed");
	r->p++;
	return regex_add(r, class);
}
