/* SPDX-License-Identifier: MIT */
/*
 * The regular expressions of TraceQL, which are the common part of RE2's syntax: . [a-z] [^…] \d \w \s and their
 * opposites, ( ) (?: ) (?i) | * + ? {m,n}, lazy forms, ^ $. Back references and lookaround are unknown, as in RE2. They
 * match whole texts. All states advance together, without backtracking, so the cost is bounded.
 */
#ifndef APM_TRACE_STORE_REGEX_H
#define APM_TRACE_STORE_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/protobuf.h"
#include "trace_store/budget.h"

struct regex;

/*
 * Returns an expression to be freed with regex_free. Returns NULL if `pattern` is none; *error is then a literal that
 * says why, and *at the byte where.
 */
struct regex *regex_new(struct slice pattern, const char **error, size_t *at);

/* `regex` may be NULL. */
void regex_free(struct regex *regex);

/*
 * Returns true if all of `text` (UTF-8) matches. It takes at most as many steps as characters times states. Any thread.
 */
bool regex_matches(const struct regex *regex, struct slice text, struct budget *budget);

#endif
