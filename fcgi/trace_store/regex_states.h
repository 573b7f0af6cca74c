/* SPDX-License-Identifier: MIT */
/*
 * The states that a regular expression is made of. regex_parse.c and regex_class.c make them, regex_match.c follows
 * them.
 */
#ifndef APM_TRACE_STORE_REGEX_STATES_H
#define APM_TRACE_STORE_REGEX_STATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REGEX_STATES_MAX 1024
#define REGEX_RANGES_MAX 4096

enum regex_op { OP_ANY, OP_CHAR, OP_CLASS, OP_SPLIT, OP_JUMP, OP_BEGIN, OP_END, OP_MATCH };

/* Jumps are relative, so that states can be moved. */
struct regex_state {
	enum regex_op op;
	bool negated;   /* of a class */
	int x, y;       /* SPLIT goes on at x and at y, JUMP at x */
	uint32_t first; /* the character of CHAR, or the first range of CLASS */
	uint32_t count;
};

struct regex_range {
	uint32_t from, to;
};

struct regex {
	size_t state_count, range_count;
	struct regex_state states[REGEX_STATES_MAX];
	struct regex_range ranges[REGEX_RANGES_MAX];
};

/* Returns the next character and advances. A byte that is not UTF-8 counts as a character above Unicode's range. */
uint32_t regex_next_char(const char **p, const char *end);

/* ---- making them ---- */

struct regex_parser {
	struct regex *regex;
	const char *begin, *p, *end; /* of the pattern; `p` is what comes next */
	const char *error;           /* NULL if there is none yet */
	unsigned depth, readings;
	bool fold; /* (?i) */
};

/* Keeps the first error. Returns false, for `return regex_fail(…)`. */
bool regex_fail(struct regex_parser *r, const char *error);

/* Adds a state. Returns false if there are too many. */
bool regex_add(struct regex_parser *r, struct regex_state state);

/* Adds a character, in both cases after (?i). */
bool regex_add_char(struct regex_parser *r, uint32_t c);

/* Returns an empty class; its ranges have to be added before any other class begins. */
struct regex_state regex_new_class(const struct regex_parser *r);

/* Adds the ranges of \d, \w, \s or their opposites. Returns false if `name` is none of these. */
bool regex_add_named(struct regex_parser *r, struct regex_state *class, char name);

/* Reads the character after a backslash. */
bool regex_escaped(struct regex_parser *r, uint32_t *c);

/* Reads what follows [, and adds it. */
bool regex_parse_class(struct regex_parser *r);

#endif
