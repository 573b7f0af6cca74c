/* SPDX-License-Identifier: MIT */
/* What a question may cost: steps and time, counted wherever a trace is looked through, so also inside one trace. */
#ifndef APM_TRACE_STORE_BUDGET_H
#define APM_TRACE_STORE_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

#define BUDGET_STEPS                                                                                                   \
	UINT64_C(300000000)           /* about as many fields as a full store of the default size has, five times      \
				       */
#define BUDGET_NS (6 * NS_PER_SECOND) /* nginx waits for 15 s, make trace for 10 */

/* One question's, on one thread. A step is a field that is looked at, or a comparison that costs as much. */
struct budget {
	uint64_t steps; /* taken so far */
	uint64_t steps_max;
	uint64_t look_at;     /* the number of steps at which the clock is read again */
	uint64_t deadline_ns; /* monotonic */
	bool spent;           /* the answer is what was found so far, and says so */
};

void budget_init(struct budget *budget, uint64_t steps_max, uint64_t ns);

/* The slow half of budget_take. */
bool budget_check(struct budget *budget);

/* False: spent, give up. */
static inline bool budget_take(struct budget *budget, uint64_t steps)
{
	budget->steps += steps;
	return budget->steps < budget->look_at ? !budget->spent : budget_check(budget);
}

#endif
