/* SPDX-License-Identifier: MIT */
#include "wait_until.h"

uint64_t wait_until_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}
