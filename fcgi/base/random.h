/* SPDX-License-Identifier: MIT */
/* Random bits for identifiers: fast, seeded per thread from the kernel; not for secrets. */
#ifndef APM_BASE_RANDOM_H
#define APM_BASE_RANDOM_H

#include <stdint.h>

/* Tests replace it for byte-exact output, before threads start. */
extern uint64_t (*random_source)(void);

/* Called in a forked child, by pthread_atfork where there is one: makes its bits differ from its parent's. */
void random_after_fork(void);

static inline uint64_t random_u64(void)
{
	return random_source();
}

#endif
