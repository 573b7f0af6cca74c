/* SPDX-License-Identifier: MIT */
/*
 * Regular expressions as TraceQL has them (the common part of RE2's syntax), over whole texts, at a bounded cost: all
 * states go along together, so there is no going back. Known: . [a-z] [^…] \d \w \s and their like, ( ) (?: ) (?i)
 * | * + ? {m,n}, lazy forms, ^ $. Back references and looking around are not, as in RE2.
 */
#ifndef APM_TRACE_STORE_REGEX_H
#define APM_TRACE_STORE_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/protobuf.h"
#include "trace_store/budget.h"

#define REGEX_STATES_MAX 1024

struct regex;

/* NULL: not one; `error` says why (a literal), `at` is the byte where. The caller frees it with regex_free. */
struct regex *regex_new(struct slice pattern, const char **error, size_t *at);

/* NULL does nothing. */
void regex_free(struct regex *regex);

/* True: all of `text` (UTF-8) matches. Takes as many steps as characters times states at most. Any thread. */
bool regex_matches(const struct regex *regex, struct slice text, struct budget *budget);

#endif
