/* SPDX-License-Identifier: MIT */
#include "trace_store/budget.h"

#include "base/clock.h"

#define LOOK_STEPS 32768 /* well below a millisecond */

void budget_init(struct budget *budget, uint64_t steps_max, uint64_t ns)
{
	*budget = (struct budget){.steps_max = steps_max, .deadline_ns = clock_monotonic_ns() + ns};
}

bool budget_check(struct budget *budget)
{
	budget->look_at = budget->steps + LOOK_STEPS;
	if (budget->steps > budget->steps_max || clock_monotonic_ns() >= budget->deadline_ns)
		budget->spent = true;
	return !budget->spent;
}
