/* SPDX-License-Identifier: MIT */
/* Hashes without a key: they tell texts apart, but not those that an attacker chooses. Pure. */
#ifndef APM_BASE_HASH_H
#define APM_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Returns the FNV-1a hash of `len` bytes (RFC 9923). It is the same on every machine, so it may be stored. */
static inline uint64_t hash_bytes(const void *data, size_t len)
{
	const uint8_t *at = data;
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
	return hash;
}

/* 2^64 divided by the golden ratio: a good distance between inputs of hash_mix. */
#define HASH_STEP UINT64_C(0x9e3779b97f4a7c15)

/* The finaliser of SplitMix64. Every bit of the result depends on every bit of `x`; only 0 gives 0. */
static inline uint64_t hash_mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

#endif
