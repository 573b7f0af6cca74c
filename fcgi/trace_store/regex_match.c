/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "trace_store/regex.h"
#include "trace_store/regex_states.h"

uint32_t regex_next_char(const char **p, const char *end)
{
	const unsigned char *s = (const unsigned char *)*p;
	size_t left = (size_t)(end - *p), len = s[0] < 0x80 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	uint32_t value = len == 1 ? s[0] : s[0] & (0x7fU >> len);

	for (size_t i = 1; i < len; i++) {
		if (len > left || (s[i] & 0xc0) != 0x80) {
			*p += 1;
			return 0x110000 + s[0];
		}
		value = value << 6 | (s[i] & 0x3f);
	}
	*p += len;
	return value;
}

/* ---- matching ---- */

struct set_of_states {
	size_t count;
	uint16_t list[REGEX_STATES_MAX];
	uint64_t is_in[REGEX_STATES_MAX / 64];
};

static void put(struct set_of_states *set, size_t state)
{
	if (set->is_in[state / 64] >> (state % 64) & 1)
		return;
	set->is_in[state / 64] |= UINT64_C(1) << (state % 64);
	set->list[set->count++] = (uint16_t)state;
}

/* Adds the states that are reached without a character from those in the set. */
static void follow(const struct regex *regex, struct set_of_states *set, bool at_begin, bool at_end)
{
	for (size_t i = 0; i < set->count; i++) {
		size_t at = set->list[i];
		const struct regex_state *state = &regex->states[at];
		switch (state->op) {
		case OP_SPLIT:
			put(set, at + (size_t)(ptrdiff_t)state->x);
			put(set, at + (size_t)(ptrdiff_t)state->y);
			break;
		case OP_JUMP: put(set, at + (size_t)(ptrdiff_t)state->x); break;
		case OP_BEGIN:
			if (at_begin)
				put(set, at + 1);
			break;
		case OP_END:
			if (at_end)
				put(set, at + 1);
			break;
		default: break;
		}
	}
}

static bool takes(const struct regex *regex, const struct regex_state *state, uint32_t c)
{
	bool found = false;

	if (state->op == OP_ANY)
		return true;
	if (state->op == OP_CHAR)
		return state->first == c;
	if (state->op != OP_CLASS)
		return false;
	for (uint32_t i = 0; i < state->count && !found; i++)
		found = c >= regex->ranges[state->first + i].from && c <= regex->ranges[state->first + i].to;
	return found != state->negated;
}

static void clear(struct set_of_states *set)
{
	set->count = 0;
	memset(set->is_in, 0, sizeof(set->is_in));
}

bool regex_matches(const struct regex *regex, struct slice text, struct budget *budget)
{
	struct set_of_states sets[2], *now = &sets[0], *next = &sets[1];
	const char *p = text.data, *end = text.data + text.len;

	clear(now);
	put(now, 0);
	follow(regex, now, true, p == end);
	while (p < end && now->count) {
		if (!budget_take(budget, 2 + now->count))
			return false;
		uint32_t c = regex_next_char(&p, end);
		clear(next);
		for (size_t i = 0; i < now->count; i++)
			if (takes(regex, &regex->states[now->list[i]], c))
				put(next, now->list[i] + 1U);
		follow(regex, next, false, p == end);
		struct set_of_states *swapped = now;
		now = next;
		next = swapped;
	}
	return p == end && now->is_in[(regex->state_count - 1) / 64] >> ((regex->state_count - 1) % 64) & 1;
}
