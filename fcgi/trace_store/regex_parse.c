/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "trace_store/regex.h"
#include "trace_store/regex_states.h"

#define REPEAT_MAX 1000
#define DEPTH_MAX 100      /* nested groups */
#define READINGS_MAX 20000 /* of atoms; {m,n} reads its atom n times */

/* ---- making states ---- */

bool regex_fail(struct regex_parser *r, const char *error)
{
	if (!r->error)
		r->error = error;
	return false;
}

/* Inserts a state before the one at `at`; the states from there on move up by one. Returns false if there are too many.
 */
static bool insert(struct regex_parser *r, size_t at, struct regex_state state)
{
	struct regex *regex = r->regex;

	if (regex->state_count == REGEX_STATES_MAX)
		return regex_fail(r, "the regular expression is too large");
	memmove(&regex->states[at + 1], &regex->states[at], (regex->state_count - at) * sizeof(state));
	regex->states[at] = state;
	regex->state_count++;
	return true;
}

bool regex_add(struct regex_parser *r, struct regex_state state)
{
	return insert(r, r->regex->state_count, state);
}

/* ---- parsing ---- */

static bool parse_any_of(struct regex_parser *r);

/* After (?: flags such as i, then : or ). */
static bool parse_flags(struct regex_parser *r, bool *only_flags)
{
	bool on = true;

	for (; r->p < r->end && *r->p != ':' && *r->p != ')'; r->p++) {
		if (*r->p == '-')
			on = false;
		else if (*r->p == 'i')
			r->fold = on;
		else if (*r->p != 's' || !on)
			return regex_fail(r, "this kind of group is not known in regular expressions");
	}
	if (r->p == r->end)
		return regex_fail(r, "( is not closed");
	*only_flags = *r->p++ == ')';
	return true;
}

/* After (. NOLINTNEXTLINE(misc-no-recursion): as deep as DEPTH_MAX */
static bool parse_group(struct regex_parser *r)
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
		return regex_fail(r, "the regular expression is nested too deeply");
	if (!parse_any_of(r))
		return false;
	r->depth--;
	if (r->p == r->end || *r->p != ')')
		return regex_fail(r, "( is not closed");
	r->p++;
	r->fold = fold;
	return true;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as DEPTH_MAX */
static bool parse_atom(struct regex_parser *r)
{
	struct regex_state class = regex_new_class(r);
	uint32_t c;

	if (++r->readings > READINGS_MAX)
		return regex_fail(r, "the regular expression is too large");
	c = regex_next_char(&r->p, r->end);
	switch (c) {
	case '.': return regex_add(r, (struct regex_state){.op = OP_ANY});
	case '[': return regex_parse_class(r);
	case '(': return parse_group(r);
	case '^': return regex_add(r, (struct regex_state){.op = OP_BEGIN});
	case '$': return regex_add(r, (struct regex_state){.op = OP_END});
	case '*':
	case '+':
	case '?':
	case '{': r->p--; return regex_fail(r, "there is nothing to repeat");
	case '\\':
		if (r->p == r->end)
			return regex_fail(r, "it ends after a backslash");
		if (regex_add_named(r, &class, *r->p)) {
			r->p++;
			return regex_add(r, class);
		}
		if (*r->p == 'A' || *r->p == 'z') {
			r->p++;
			return regex_add(r, (struct regex_state){.op = r->p[-1] == 'A' ? OP_BEGIN : OP_END});
		}
		return regex_escaped(r, &c) && regex_add_char(r, c);
	default: return regex_add_char(r, c);
	}
}

static bool parse_count(struct regex_parser *r, unsigned *out)
{
	const char *begin = r->p;

	for (*out = 0; r->p < r->end && *r->p >= '0' && *r->p <= '9'; r->p++) {
		*out = *out * 10 + (unsigned)(*r->p - '0');
		if (*out > REPEAT_MAX)
			return regex_fail(r, "it is repeated more than 1000 times");
	}
	return r->p > begin;
}

/* Reads what follows {. *most is UINT32_MAX if there is no end. */
static bool parse_counts(struct regex_parser *r, unsigned *least, unsigned *most)
{
	if (!parse_count(r, least))
		return regex_fail(r, "{ wants numbers: {2}, {2,} or {2,5}");
	*most = *least;
	if (r->p < r->end && *r->p == ',') {
		r->p++;
		if (r->p < r->end && *r->p == '}')
			*most = UINT32_MAX;
		else if (!parse_count(r, most) || *most < *least)
			return regex_fail(r, "{ wants numbers: {2}, {2,} or {2,5}");
	}
	if (r->p == r->end || *r->p++ != '}')
		return regex_fail(r, "{ is not closed");
	return true;
}

/* Make a loop, or a choice, of the states from `begin` on. */
static bool add_loop(struct regex_parser *r, size_t begin)
{
	int len = (int)(r->regex->state_count - begin);

	return insert(r, begin, (struct regex_state){.op = OP_SPLIT, .x = 1, .y = len + 2}) &&
	       regex_add(r, (struct regex_state){.op = OP_JUMP, .x = -(len + 1)});
}

static bool add_choice(struct regex_parser *r, size_t begin)
{
	int len = (int)(r->regex->state_count - begin);

	return insert(r, begin, (struct regex_state){.op = OP_SPLIT, .x = 1, .y = len + 1});
}

/* Reads the atom at `atom` once more. NOLINTNEXTLINE(misc-no-recursion): as deep as DEPTH_MAX */
static bool again(struct regex_parser *r, const char *atom)
{
	const char *after = r->p;

	r->p = atom;
	bool good = parse_atom(r);
	r->p = good ? after : r->p;
	return good;
}

/* `atom` was read once; its states begin at `begin`. NOLINTNEXTLINE(misc-no-recursion): as deep as DEPTH_MAX */
static bool repeat(struct regex_parser *r, const char *atom, size_t begin, unsigned least, unsigned most)
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
static bool parse_repeated(struct regex_parser *r)
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
	if (r->p < r->end && *r->p == '?') /* a lazy form matches the same texts */
		r->p++;
	return repeat(r, atom, begin, least, most);
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as DEPTH_MAX */
static bool parse_any_of(struct regex_parser *r)
{
	size_t begin = r->regex->state_count;

	for (;;) {
		while (r->p < r->end && *r->p != '|' && *r->p != ')')
			if (!parse_repeated(r))
				return false;
		if (r->p == r->end || *r->p == ')')
			return true;
		r->p++;
		/* a choice between the states so far and the other alternatives, which the next call reads */
		int len = (int)(r->regex->state_count - begin);
		if (!insert(r, begin, (struct regex_state){.op = OP_SPLIT, .x = 1, .y = len + 2}))
			return false;
		size_t jump = r->regex->state_count;
		if (!regex_add(r, (struct regex_state){.op = OP_JUMP}) || ++r->depth > DEPTH_MAX)
			return regex_fail(r, "the regular expression has too many alternatives");
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
	struct regex_parser r = {
		.regex = regex, .begin = pattern.data, .p = pattern.data, .end = pattern.data + pattern.len};
	bool good = parse_any_of(&r);
	if (good && r.p < r.end)
		good = regex_fail(&r, ") has no (");
	if (good && !r.error && regex_add(&r, (struct regex_state){.op = OP_MATCH}))
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
