/* SPDX-License-Identifier: MIT */
/*
 * Consistent probability sampling: the member `ot` of a tracestate, such as "ot=th:c;rv:6e6d1a75832a2f". Pure
 * functions. Internal to tel/.
 *
 * A trace is sampled when its randomness R reaches the threshold T; both are numbers of 56 bits. So whoever samples
 * less keeps a part of what others keep, never other traces. `th` tells T to those that come later: a sampled span
 * stands for 2^56 / (2^56 - T) spans. `rv` is R, where the trace id is not random. Sources: OpenTelemetry
 * specification, "TraceState Handling" and "TraceState: Probability Sampling"; W3C Trace Context level 2, section 3.3.
 *
 * A tracestate is a valid list, as tel_parent_end leaves it: no white space around members. Of an `ot` that comes twice
 * the first one counts, and a change takes the others out. A `th` or `rv` that comes twice, is too long, too short or
 * not in lower case counts as absent.
 */
#ifndef TEL_PROBABILITY_H
#define TEL_PROBABILITY_H

#include <stdbool.h>
#include <stdint.h>

#define PROBABILITY_RANGE (UINT64_C(1) << 56) /* R and T lie below it */
#define PROBABILITY_TEXT_MAX 20               /* bytes of "ot=th:" and 14 digits */

/* Returns T of a sampling ratio from 0 to 1; PROBABILITY_RANGE, which no R reaches, for 0. nginx/render computes alike.
 */
uint64_t probability_threshold(double ratio);

/* Writes "ot=th:T" without trailing zeros, "ot=th:0" for 0. `threshold` < PROBABILITY_RANGE. */
void probability_format(uint64_t threshold, char out[PROBABILITY_TEXT_MAX + 1]);

/* Sets *randomness to `rv`. Returns false if there is none. */
bool probability_explicit(const char *tracestate, uint64_t *randomness);

/* Returns R of a trace id alone: its last 56 bits. */
static inline uint64_t probability_of_id(const uint8_t trace_id[16])
{
	uint64_t randomness = 0;

	for (int i = 9; i < 16; i++)
		randomness = randomness << 8 | trace_id[i];
	return randomness;
}

/* Returns R: `rv`, else the last 56 bits of the trace id, which count as random whatever the random flag says. */
uint64_t probability_randomness(const char *tracestate, const uint8_t trace_id[16]);

/*
 * Puts `th` into the tracestate, in a buffer of TEL_TRACESTATE_MAX + 1 bytes. The other sub-keys and members stay; a
 * member `ot` that has changed comes first. A list that gets too long loses its members over 128 bytes, then its last
 * ones. When `ot` would have more than the 256 bytes that it may have, it is left without `th`.
 */
void probability_set_threshold(char *tracestate, uint64_t threshold);

/* Takes `th` out, and `ot` when nothing is left in it. An `ot` that has changed comes first. */
void probability_erase_threshold(char *tracestate);

/* Takes out a `th` that contradicts the sampled flag, cannot be read, or is one of several: nothing false is passed on.
 */
void probability_check_threshold(char *tracestate, const uint8_t trace_id[16], bool sampled);

#endif
