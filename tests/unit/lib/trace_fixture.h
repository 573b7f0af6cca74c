/* SPDX-License-Identifier: MIT */
/* A trace made of a request, with a budget that no test uses up. */
#ifndef APM_TESTS_TRACE_FIXTURE_H
#define APM_TESTS_TRACE_FIXTURE_H

#include "trace_request.h"
#include "trace_store/trace.h"

extern struct buf request;
extern struct budget budget;
extern struct trace trace;

/* Set up and tear down a test. */
int trace_begin(void **state);
int trace_end(void **state);

/* Makes the trace of what is in the request. */
void take_request(void);

#endif
