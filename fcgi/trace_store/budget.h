/* SPDX-License-Identifier: MIT */
/*
 * The steps and the time that a query may take. They are counted inside traces as well, so that one large trace cannot
 * hold a thread.
 */
#ifndef APM_TRACE_STORE_BUDGET_H
#define APM_TRACE_STORE_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

#define BUDGET_STEPS                                                                                                   \
	UINT64_C(300000000)           /* about as many fields as a full store of the default size has, five times      \
				       */
#define BUDGET_NS (6 * NS_PER_SECOND) /* nginx waits for 15 s, make trace for 10 */

/* The budget of one query, on one thread. A step is a field that is looked at, or a comparison that costs as much. */
struct budget {
	uint64_t steps; /* taken so far */
	uint64_t steps_max;
	uint64_t look_at;     /* number of steps at which the clock is read again */
	uint64_t deadline_ns; /* monotonic */
	bool spent;           /* the answer is then incomplete, and says so */
};

void budget_init(struct budget *budget, uint64_t steps_max, uint64_t ns);

/* Reads the clock, for budget_take. */
bool budget_check(struct budget *budget);

/* Returns false if the budget is spent. */
static inline bool budget_take(struct budget *budget, uint64_t steps)
{
	budget->steps += steps;
	return budget->steps < budget->look_at ? !budget->spent : budget_check(budget);
}

#endif
