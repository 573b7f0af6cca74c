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

/* For places where getrandom(2) is forbidden. No other thread on any machine is likely to have this state. */
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
	/* Once the kernel's pool is ready, it never gives less than 256 bytes. */
	bool whole = getrandom(state, sizeof(state), 0) == sizeof(state);

	if (!whole)
		seed_without_kernel();
	state[0] |= 1; /* A state of zeros would stay so for ever. */
	seeded = true;
	for (int i = 0; !whole && i < WARM_UP; i++)
		step(); /* Spreads the bits that differ. */
}

static uint64_t next_random(void)
{
	if (__builtin_expect(!seeded, 0))
		seed();
	return step();
}

uint64_t (*random_source)(void) = next_random;

/* The thread that forked is the only one in the child. */
void random_after_fork(void)
{
	seeded = false;
}
