/* SPDX-License-Identifier: MIT */
#include "base/random.h"

#include <stdbool.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static _Thread_local uint64_t state[4];
static _Thread_local bool seeded;

#define WARM_UP 16

static uint64_t rotate_left(uint64_t value, int bits)
{
	return value << bits | value >> (64 - bits);
}

/* xoshiro256** (Blackman, Vigna: "Scrambled linear pseudorandom number generators", 2018). */
static inline uint64_t step(void)
{
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

/* Where getrandom(2) is not allowed: what no other thread on no other machine is likely to have at this moment. */
static void seed_without_kernel(void)
{
	struct timespec wall, steady;

	clock_gettime(CLOCK_REALTIME, &wall);
	clock_gettime(CLOCK_MONOTONIC, &steady);
	state[0] = (uint64_t)wall.tv_sec << 30 ^ (uint64_t)wall.tv_nsec;
	state[1] = (uint64_t)steady.tv_sec << 30 ^ (uint64_t)steady.tv_nsec;
	state[2] = (uint64_t)getpid() << 32 ^ (uintptr_t)&wall;
	state[3] = (uintptr_t)state;
}

static void seed(void)
{
	/* Up to 256 bytes come whole once the kernel's pool is ready. */
	bool whole = getrandom(state, sizeof(state), 0) == sizeof(state);

	if (!whole)
		seed_without_kernel();
	state[0] |= 1; /* all zeros is the one state that never leaves itself */
	seeded = true;
	for (int i = 0; !whole && i < WARM_UP; i++)
		step(); /* spreads the bits that differ */
}

static uint64_t next_random(void)
{
	if (__builtin_expect(!seeded, 0))
		seed();
	return step();
}

uint64_t (*random_source)(void) = next_random;

/* The child has the one thread that forked. */
void random_after_fork(void)
{
	seeded = false;
}
