/* SPDX-License-Identifier: MIT */
/* The states that a regular expression is made of: for regex_parse.c, which makes them, and regex.c, which follows
 * them. */
#ifndef APM_TRACE_STORE_REGEX_STATES_H
#define APM_TRACE_STORE_REGEX_STATES_H

#include <stddef.h>
#include <stdint.h>

#include "trace_store/regex.h"

#define REGEX_RANGES_MAX 4096

enum regex_op { OP_ANY, OP_CHAR, OP_CLASS, OP_SPLIT, OP_JUMP, OP_BEGIN, OP_END, OP_MATCH };

/* What follows is relative, so that code can be moved. */
struct regex_state {
	enum regex_op op;
	bool negated;   /* of a class */
	int x, y;       /* SPLIT, JUMP: to x, and y */
	uint32_t first; /* CHAR: the character; CLASS: its ranges */
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

/* Reads one character and advances. What is not UTF-8 counts byte by byte, beyond Unicode's range. */
uint32_t regex_next_char(const char **p, const char *end);

#endif
