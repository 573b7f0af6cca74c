/* SPDX-License-Identifier: MIT */
/* A trace made of a request, with a budget that no test uses up. */
#ifndef APM_TESTS_TRACE_FIXTURE_H
#define APM_TESTS_TRACE_FIXTURE_H

#include "trace_request.h"
#include "trace_store/trace.h"

static struct buf request;
static struct budget budget;
static struct trace trace;

static inline int trace_begin(void **state)
{
	(void)state;
	buf_init(&request, 32 << 20);
	budget_init(&budget, BUDGET_STEPS, UINT64_C(600000000000));
	trace_init(&trace, &budget);
	return 0;
}

static inline int trace_end(void **state)
{
	(void)state;
	buf_done(&request);
	trace_done(&trace);
	return 0;
}

static inline void take_request(void)
{
	assert_false(request.failed);
	trace_reset(&trace);
	trace_request(&trace, (struct slice){request.data, request.len});
	trace_finish(&trace);
}

#endif
