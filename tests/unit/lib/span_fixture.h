/* SPDX-License-Identifier: MIT */
/* Spans that end are kept, under clocks that a test can foresee: the wall clock is set back with every look at it. */
#ifndef APM_TESTS_SPAN_FIXTURE_H
#define APM_TESTS_SPAN_FIXTURE_H

#include "base/clock.h"
#include "base/random.h"
#include "cmocka_all.h"
#include "ended_spans.h"
#include "span_attrs.h"

extern const struct sampler sample_all, sample_nothing;

/* Set up and tear down a test. */
int span_fixture_begin(void **state);
int span_fixture_end(void **state);

#define TEST(name) cmocka_unit_test_setup_teardown(name, span_fixture_begin, span_fixture_end)

#endif
