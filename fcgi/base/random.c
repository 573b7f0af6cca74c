/* SPDX-License-Identifier: MIT */
#include "base/random.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/random.h>

static _Thread_local uint64_t state[4];
static _Thread_local bool seeded;

static void seed(void)
{
	/* Up to 256 bytes come whole once the kernel's pool is ready (getrandom(2)); ids that repeat are worse than no
	 * program. */
	if (getrandom(state, sizeof(state), 0) != sizeof(state))
		abort();
	state[0] |= 1; /* all zeros is the one state that never leaves itself */
	seeded = true;
}

static uint64_t rotate_left(uint64_t value, int bits)
{
	return value << bits | value >> (64 - bits);
}

/* xoshiro256** (Blackman, Vigna: "Scrambled linear pseudorandom number generators", 2018). */
static uint64_t next_random(void)
{
	if (!seeded)
		seed();
	uint64_t result = rotate_left(state[1] * 5, 7) * 9;
	uint64_t shifted = state[1] << 17;

	state[2] ^= state[0];
	state[3] ^= state[1];
	state[1] ^= state[2];
	state[0] ^= state[3];
	state[2] ^= shifted;
	state[3] = rotate_left(state[3], 45);
	return result;
}

uint64_t (*random_source)(void) = next_random;
