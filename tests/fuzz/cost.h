/* SPDX-License-Identifier: MIT */
/*
 * Every fuzz target also fails on work and memory out of proportion to its input: a body of 139 bytes that keeps the
 * trace store busy for a minute crashes nothing. The Makefile links cost.c into each target.
 *
 * A replay with MODE=cost counts steps (edges of the control flow, and each 8 bytes that are copied, filled or
 * compared), which are the same on every machine; the search of make fuzz, under sanitizers, measures processor time.
 */
#ifndef APM_TESTS_COST_H
#define APM_TESTS_COST_H

#include <stddef.h>

/* In cost.c, which is linked with MODE=cost and MODE=fuzz only. */
void cost_add_input(size_t bytes) __attribute__((weak));

/* A target says that its input has become `bytes` more, as inflating does. What is allowed grows with them. */
static inline void cost_more_input(size_t bytes)
{
	if (cost_add_input)
		cost_add_input(bytes);
}

#endif
