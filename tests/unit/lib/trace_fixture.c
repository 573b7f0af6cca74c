/* SPDX-License-Identifier: MIT */
#include "trace_fixture.h"

#include "cmocka_all.h"

struct buf request;
struct budget budget;
struct trace trace;

int trace_begin(void **state)
{
	(void)state;
	buf_init(&request, 32 << 20);
	budget_init(&budget, BUDGET_STEPS, UINT64_C(600000000000));
	trace_init(&trace, &budget);
	return 0;
}

int trace_end(void **state)
{
	(void)state;
	buf_done(&request);
	trace_done(&trace);
	return 0;
}

void take_request(void)
{
	assert_false(request.failed);
	trace_reset(&trace);
	trace_request(&trace, (struct slice){request.data, request.len});
	trace_finish(&trace);
}
