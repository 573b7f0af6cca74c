/* SPDX-License-Identifier: MIT */
#include "cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "span_attrs.h"
#include "tel/src/metrics.h"
#include "tel/src/span.h"
#include "threads.h"

static const double few_bounds[] = {0.001, 0.01, 1, 0};

TEL_HISTOGRAM(seconds, "test", "s", "A histogram.", few_bounds);
TEL_HISTOGRAM(torn, "test.torn", "s", "Exemplars written by many threads.", few_bounds);
TEL_HISTOGRAM(fresh, "test.fresh", "s", "Exemplars against the clock.", few_bounds);

static uint64_t now_ns;

static uint64_t frozen_ns(void)
{
	return now_ns;
}

static void exemplars_are_of_sampled_spans(void **state)
{
	struct tel_series *series = tel_series(&seconds);
	struct exemplar_values values;
	struct tel_span span = sampled_span(0xab);

	(void)state;
	struct tel_span unsampled = span, discarded = span;
	span_of(&unsampled)->flags = TEL_RANDOM;
	span_of(&discarded)->recording = false;
	tel_series_record(series, 0.5, NULL);
	tel_series_record(series, 0.5, &unsampled);
	tel_series_record(series, 0.5, &discarded);
	assert_false(exemplar_read(&series->exemplars[2], &values));

	span_of(&span)->end_ns = 1763815800123456789;
	tel_series_record(series, 0.5, &span);
	assert_true(exemplar_read(&series->exemplars[2], &values));
	assert_memory_equal(values.trace_id, span_of(&span)->trace_id, 16);
	assert_memory_equal(values.span_id, span_of(&span)->span_id, 8);
	assert_true(values.value == 0.5);
	assert_int_equal(values.time_ns, span_of(&span)->end_ns);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(exemplar_read(&series->exemplars[i], &values), i == 2);

	exemplar_configure(false); /* always_off */
	tel_series_record(series, 0.0001, &span);
	exemplar_configure(true);
	assert_false(exemplar_read(&series->exemplars[0], &values));
}

static uint8_t exemplar_after(uint64_t at_ns, uint8_t fill)
{
	struct exemplar_values values;
	struct tel_span span = sampled_span(fill);

	now_ns = at_ns;
	tel_series_record(tel_series(&fresh), 0.005, &span);
	assert_true(exemplar_read(&tel_series(&fresh)->exemplars[1], &values));
	return values.trace_id[0];
}

static void exemplars_are_renewed_twice_a_second(void **state)
{
	const struct clock_source real = clock_source;
	const uint64_t start = 1763815800000000000;

	(void)state;
	clock_source.realtime_ns = frozen_ns;
	assert_int_equal(exemplar_after(start, 1), 1);
	assert_int_equal(exemplar_after(start, 2), 1);
	assert_int_equal(exemplar_after(start + 499999999, 3), 1);
	assert_int_equal(exemplar_after(start + 500000000, 4), 4);
	assert_int_equal(exemplar_after(start + 400000000, 5), 4);
	/* the clock was set back */
	assert_int_equal(exemplar_after(start - 3600000000000, 6), 6);
	clock_source = real;
}

#define READS 1000000

static atomic_bool done;

/* Every thread writes ids and values that only fit together; each is due, because time leaps. */
static void *write_exemplars(void *arg)
{
	for (unsigned i = 0; !atomic_load(&done); i++) {
		struct tel_span span = sampled_span((uint8_t)(1 + (intptr_t)arg * 30 + i % 30));
		span_of(&span)->end_ns = (i + 1) * UINT64_C(1000000000) + span_of(&span)->trace_id[0];
		tel_series_record(tel_series(&torn), 0.01 + span_of(&span)->trace_id[0] / 1000.0, &span);
	}
	return NULL;
}

static bool is_whole(const struct exemplar_values *values)
{
	uint8_t id = values->trace_id[0];

	for (int i = 0; i < 16; i++) {
		if (values->trace_id[i] != id || values->span_id[i / 2] != id)
			return false;
	}
	return values->value == 0.01 + id / 1000.0 && values->time_ns % 1000000000 == id;
}

/* The first thread reads what the others write. */
static void *read_or_write(void *arg)
{
	struct exemplar_values values;

	meet(1);
	if (arg)
		return write_exemplars(arg);
	bool whole = true, any = false; /* on a busy machine there is none for a long time */
	for (int i = 0; (i < READS || !any) && whole; i++) {
		bool there = exemplar_read(&tel_series(&torn)->exemplars[2], &values);
		any = any || there;
		whole = !there || is_whole(&values);
	}
	atomic_store(&done, true);
	if (!whole)
		abort();
	return NULL;
}

static void exemplars_are_never_torn(void **state)
{
	struct exemplar_values values;

	(void)state;
	run_threads(3, read_or_write);
	assert_true(exemplar_read(&tel_series(&torn)->exemplars[2], &values));
	assert_true(is_whole(&values));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exemplars_are_of_sampled_spans),
		cmocka_unit_test(exemplars_are_renewed_twice_a_second),
		cmocka_unit_test(exemplars_are_never_torn),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
