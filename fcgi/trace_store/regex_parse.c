/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "trace_store/regex_states.h"

#define REPEAT_MAX 1000
#define DEPTH_MAX 100      /* of groups */
#define READINGS_MAX 20000 /* of atoms: {m,n} reads its atom n times */

struct parser {
	struct regex *regex;
	const char *begin, *p, *end;
	const char *error;
	unsigned depth, readings;
	bool fold; /* (?i) */
};

/* ---- characters ---- */

static bool is_letter(uint32_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* ---- making states ---- */

static bool fail(struct parser *r, const char *error)
{
	if (!r->error)
		r->error = error;
	return false;
}

/* At `at`, before what is there. False: too many. */
static bool insert(struct parser *r, size_t at, struct regex_state state)
{
	struct regex *regex = r->regex;

	if (regex->state_count == REGEX_STATES_MAX)
		return fail(r, "the regular expression is too large");
	memmove(&regex->states[at + 1], &regex->states[at], (regex->state_count - at) * sizeof(state));
	regex->states[at] = state;
	regex->state_count++;
	return true;
}

static bool add(struct parser *r, struct regex_state state)
{
	return insert(r, r->regex->state_count, state);
}

static bool put_range(struct parser *r, struct regex_state *class, uint32_t from, uint32_t to)
{
	struct regex *regex = r->regex;

	if (regex->range_count == REGEX_RANGES_MAX)
		return fail(r, "the regular expression is too large");
	regex->ranges[regex->range_count++] = (struct regex_range){from, to};
	class->count++;
	return true;
}

/* With (?i) also the other case of each letter. */
static bool add_range(struct parser *r, struct regex_state *class, uint32_t from, uint32_t to)
{
	if (from > to)
		return fail(r, "a range of characters ends before it begins");
	if (!put_range(r, class, from, to))
		return false;
	for (uint32_t c = from; r->fold && c <= to && c < 128; c++)
		if (is_letter(c) && !put_range(r, class, c ^ 0x20, c ^ 0x20))
			return false;
	return true;
}

static struct regex_state new_class(const struct parser *r)
{
	return (struct regex_state){.op = OP_CLASS, .first = (uint32_t)r->regex->range_count};
}

static bool add_char(struct parser *r, uint32_t c)
{
	struct regex_state class = new_class(r);

	if (!r->fold || !is_letter(c))
		return add(r, (struct regex_state){.op = OP_CHAR, .first = c});
	return add_range(r, &class, c, c) && add(r, class);
}

/* ---- parsing ---- */

/* \d and its like into the class; false: not one of these. */
static bool named_class(struct parser *r, struct regex_state *class, char name)
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
static bool escaped(struct parser *r, uint32_t *c)
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
		return fail(r, "the escape is not known in regular expressions");
	}
	return true;
}

static bool class_char(struct parser *r, uint32_t *c)
{
	if (r->p == r->end)
		return fail(r, "[ is not closed");
	*c = regex_next_char(&r->p, r->end);
	if (*c != '\\')
		return true;
	return r->p == r->end ? fail(r, "[ is not closed") : escaped(r, c);
}

/* After [. */
static bool parse_class(struct parser *r)
{
	struct regex_state class = new_class(r);
	bool first = true;
	uint32_t from, to;

	if (r->p < r->end && *r->p == '^') {
		class.negated = true;
		r->p++;
	}
	for (; r->p < r->end && (*r->p != ']' || first); first = false) {
		if (r->end - r->p >= 2 && r->p[0] == '\\' && named_class(r, &class, r->p[1])) {
			r->p += 2;
			continue;
		}
		if (r->end - r->p >= 2 && r->p[0] == '[' && r->p[1] == ':')
			return fail(r, "classes by name such as [:alpha:] are not known here");
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
		return fail(r, "[ is not closed");
	r->p++;
	return add(r, class);
}

static bool parse_any_of(struct parser *r);

/* After (?: flags such as i, then : or ). */
static bool parse_flags(struct parser *r, bool *only_flags)
{
	bool on = true;

	for (; r->p < r->end && *r->p != ':' && *r->p != ')'; r->p++) {
		if (*r->p == '-')
			on = false;
		else if (*r->p == 'i')
			r->fold = on;
		else if (*r->p != 's' || !on)
			return fail(r, "this kind of group is not known in regular expressions");
	}
	if (r->p == r->end)
		return fail(r, "( is not closed");
	*only_flags = *r->p++ == ')';
	return true;
}

/* After (. NOLINTNEXTLINE(misc-no-recursion): as deep as DEPTH_MAX */
static bool parse_group(struct parser *r)
{
	bool fold = r->fold, only_flags = false;

	if (r->end - r->p >= 1 && *r->p == '?') {
		r->p++;
		if (!parse_flags(r, &only_flags))
			return false;
		if (only_flags) /* to the end of the group around it */
			return true;
	}
	if (++r->depth > DEPTH_MAX)
		return fail(r, "the regular expression is nested too deeply");
	if (!parse_any_of(r))
		return false;
	r->depth--;
	if (r->p == r->end || *r->p != ')')
		return fail(r, "( is not closed");
	r->p++;
	r->fold = fold;
	return true;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as DEPTH_MAX */
static bool parse_atom(struct parser *r)
{
	struct regex_state class = new_class(r);
	uint32_t c;

	if (++r->readings > READINGS_MAX)
		return fail(r, "the regular expression is too large");
	c = regex_next_char(&r->p, r->end);
	switch (c) {
	case '.': return add(r, (struct regex_state){.op = OP_ANY});
	case '[': return parse_class(r);
	case '(': return parse_group(r);
	case '^': return add(r, (struct regex_state){.op = OP_BEGIN});
	case '$': return add(r, (struct regex_state){.op = OP_END});
	case '*':
	case '+':
	case '?':
	case '{': r->p--; return fail(r, "there is nothing to repeat");
	case '\\':
		if (r->p == r->end)
			return fail(r, "it ends after a backslash");
		if (named_class(r, &class, *r->p)) {
			r->p++;
			return add(r, class);
		}
		if (*r->p == 'A' || *r->p == 'z') {
			r->p++;
			return add(r, (struct regex_state){.op = r->p[-1] == 'A' ? OP_BEGIN : OP_END});
		}
		return escaped(r, &c) && add_char(r, c);
	default: return add_char(r, c);
	}
}

static bool parse_count(struct parser *r, unsigned *out)
{
	const char *begin = r->p;

	for (*out = 0; r->p < r->end && *r->p >= '0' && *r->p <= '9'; r->p++) {
		*out = *out * 10 + (unsigned)(*r->p - '0');
		if (*out > REPEAT_MAX)
			return fail(r, "it is repeated more than 1000 times");
	}
	return r->p > begin;
}

/* After {: least and most, UINT_MAX for no end. */
static bool parse_counts(struct parser *r, unsigned *least, unsigned *most)
{
	if (!parse_count(r, least))
		return fail(r, "{ wants numbers: {2}, {2,} or {2,5}");
	*most = *least;
	if (r->p < r->end && *r->p == ',') {
		r->p++;
		if (r->p < r->end && *r->p == '}')
			*most = UINT32_MAX;
		else if (!parse_count(r, most) || *most < *least)
			return fail(r, "{ wants numbers: {2}, {2,} or {2,5}");
	}
	if (r->p == r->end || *r->p++ != '}')
		return fail(r, "{ is not closed");
	return true;
}

/* Makes a loop, or a choice, of what stands from `begin` on. */
static bool add_loop(struct parser *r, size_t begin)
{
	int len = (int)(r->regex->state_count - begin);

	return insert(r, begin, (struct regex_state){.op = OP_SPLIT, .x = 1, .y = len + 2}) &&
	       add(r, (struct regex_state){.op = OP_JUMP, .x = -(len + 1)});
}

static bool add_choice(struct parser *r, size_t begin)
{
	int len = (int)(r->regex->state_count - begin);

	return insert(r, begin, (struct regex_state){.op = OP_SPLIT, .x = 1, .y = len + 1});
}

/* Reads the atom at `atom` once more. NOLINTNEXTLINE(misc-no-recursion): as deep as DEPTH_MAX */
static bool again(struct parser *r, const char *atom)
{
	const char *after = r->p;

	r->p = atom;
	bool good = parse_atom(r);
	r->p = good ? after : r->p;
	return good;
}

/* `atom` was read once; its states begin at `begin`. NOLINTNEXTLINE(misc-no-recursion): as deep as DEPTH_MAX */
static bool repeat(struct parser *r, const char *atom, size_t begin, unsigned least, unsigned most)
{
	if (most == 0) {
		r->regex->state_count = begin;
		return true;
	}
	for (unsigned i = 1; i < least; i++) {
		begin = r->regex->state_count;
		if (!again(r, atom))
			return false;
	}
	if (most == UINT32_MAX) {
		if (least && (begin = r->regex->state_count, !again(r, atom)))
			return false;
		return add_loop(r, begin);
	}
	if (least == 0 && !add_choice(r, begin))
		return false;
	for (unsigned i = least ? least : 1; i < most; i++) {
		begin = r->regex->state_count;
		if (!again(r, atom) || !add_choice(r, begin))
			return false;
	}
	return true;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as DEPTH_MAX */
static bool parse_repeated(struct parser *r)
{
	const char *atom = r->p;
	size_t begin = r->regex->state_count;
	unsigned least = 0, most = 0;

	if (!parse_atom(r))
		return false;
	if (r->p == r->end || !strchr("*+?{", *r->p) || !*r->p)
		return true;
	switch (*r->p++) {
	case '*': least = 0, most = UINT32_MAX; break;
	case '+': least = 1, most = UINT32_MAX; break;
	case '?': least = 0, most = 1; break;
	default:
		if (!parse_counts(r, &least, &most))
			return false;
	}
	if (r->p < r->end && *r->p == '?') /* which of two ways is tried first matters to what is found, not whether */
		r->p++;
	return repeat(r, atom, begin, least, most);
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as DEPTH_MAX */
static bool parse_any_of(struct parser *r)
{
	size_t begin = r->regex->state_count;

	for (;;) {
		while (r->p < r->end && *r->p != '|' && *r->p != ')')
			if (!parse_repeated(r))
				return false;
		if (r->p == r->end || *r->p == ')')
			return true;
		r->p++;
		/* what stands, or what follows: the rest of the alternatives is read by the next call */
		int len = (int)(r->regex->state_count - begin);
		if (!insert(r, begin, (struct regex_state){.op = OP_SPLIT, .x = 1, .y = len + 2}))
			return false;
		size_t jump = r->regex->state_count;
		if (!add(r, (struct regex_state){.op = OP_JUMP}) || ++r->depth > DEPTH_MAX)
			return fail(r, "the regular expression has too many alternatives");
		bool good = parse_any_of(r);
		r->depth--;
		if (good)
			r->regex->states[jump].x = (int)(r->regex->state_count - jump);
		return good;
	}
}

struct regex *regex_new(struct slice pattern, const char **error, size_t *at)
{
	struct regex *regex = malloc(sizeof(*regex));

	if (!regex)
		abort();
	regex->state_count = regex->range_count = 0;
	struct parser r = {.regex = regex, .begin = pattern.data, .p = pattern.data, .end = pattern.data + pattern.len};
	bool good = parse_any_of(&r);
	if (good && r.p < r.end)
		good = fail(&r, ") has no (");
	if (good && !r.error && add(&r, (struct regex_state){.op = OP_MATCH}))
		return regex;
	*error = r.error;
	*at = (size_t)(r.p - r.begin);
	free(regex);
	return NULL;
}

void regex_free(struct regex *regex)
{
	free(regex);
}
