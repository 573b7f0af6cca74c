/* SPDX-License-Identifier: MIT */
/*
 * Metrics as OTLP bytes: a golden file, whose meaning tests/integration/test_otlp_golden.py checks, and random ones,
 * judged by protoc here.
 */
#include "cmocka_all.h"

#include <stdio.h>

#include "base/random.h"
#include "golden.h"
#include "otlp_request.h"
#include "tel/src/metrics.h"
#include "tel/src/otlp_metrics.h"

#define BEGIN_NS UINT64_C(1763815800123456789)
#define NOW_NS UINT64_C(1763815900123456789)

static const double bounds[] = {0.001, 0.1, 1, 0}, no_bounds[] = {0};

TEL_COUNTER(orders, "test.orders", "{order}", "A counter.", "payment.method", "country");
TEL_GAUGE(level, "test.level", "", "A gauge: \xe6\xb5\x8b\xe8\xaf\x95.");
TEL_GAUGE(steps, "test.steps", "By", "A sum of steps up and down.");
TEL_HISTOGRAM(duration, "test.duration", "s", "A histogram.", bounds, "http.route");
TEL_HISTOGRAM(all, "test.all", "s", "One bucket.", no_bounds);
TEL_COUNTER(many, "test.many", "", "More series than there may be.", "number");
TEL_HISTOGRAM(wild, "test.wild", "s", "Any labels and values.", tel_http_bounds, "not UTF-8 \xe6\xb5", "b", "c", "d");

static void observe(double value, bool with_span)
{
	struct tel_span storage = {0};
	struct span *span = span_of(&storage);
	const uint8_t trace_id[] = TRACE_ID, span_id[] = SPAN_ID;

	span->recording = true;
	span->flags = TEL_SAMPLED;
	span->end_ns = BEGIN_NS;
	memcpy(span->trace_id, trace_id, sizeof(trace_id));
	memcpy(span->span_id, span_id, sizeof(span_id));
	tel_series_record(tel_series(&duration, "/x"), value, with_span ? &storage : NULL);
}

/* All but the first `from` series. */
static void add(const struct tel_metric *metric, unsigned from)
{
	const struct otlp_points points = {metric, from, metric_series_count(metric) - from, BEGIN_NS, NOW_NS};

	otlp_add_points(&otlp_request, &points);
}

static void metrics_of_all_kinds(void **state)
{
	char number[16];
	size_t bytes;

	(void)state;
	tel_counter_add(&orders, 3.5, "card", "\xe6\xb5\x8b\xe8\xaf\x95");
	tel_series(&orders, "", "de");
	tel_gauge_set(&level, -1.25);
	tel_gauge_add(&steps, 5);
	metric_sums(&steps);
	observe(0.0001, true);
	observe(0.05, false);
	observe(1, false);
	observe(11, true);
	observe(0, false); /* the exemplar stays */
	for (int i = 0; i < METRIC_SERIES_MAX + 2; i++) {
		snprintf(number, sizeof(number), "%d", i);
		tel_counter_add(&many, i, number);
	}
	add(&orders, 0);
	add(&level, 0);
	add(&steps, 0);
	add(&duration, 0);
	add(&all, 0);
	add(&many, 1);
	const char *data = otlp_request_finish(&bytes);
	assert_golden("otlp_metrics.bin", data, bytes);
}

/* ---- random ones ---- */

static void observe_at_random(void)
{
	static char text[4][100];

	for (int i = 0; i < 4; i++) {
		size_t length = random_u64() % sizeof(text[i]);
		for (size_t c = 0; c < length; c++)
			text[i][c] = (char)(1 + random_u64() % 255);
		text[i][length] = '\0';
	}
	tel_series_record(tel_series(&wild, text[0], text[1], text[2], text[3]), (double)(random_u64() % 100) / 7,
			  NULL);
}

static void protoc_reads_what_is_written(void **state)
{
	const unsigned count = 100;
	size_t bytes;

	(void)state;
	if (!have_protoc())
		skip();
	for (unsigned i = 0; i < count; i++)
		observe_at_random();
	add(&wild, 0);
	const char *data = otlp_request_finish(&bytes);
	assert_int_equal(
		protoc_counts("ExportMetricsServiceRequest", data, bytes, "          explicit_bounds: 0.075\n"),
		metric_series_count(&wild));
	assert_int_equal(metric_series_count(&wild), count);
}

static void without_room_it_fails(void **state)
{
	(void)state;
	BUF(small, 200);
	const struct otlp_points points = {&all, 0, 1, BEGIN_NS, NOW_NS};
	for (size_t max = 0; max < 200; max++) {
		small.max = max;
		buf_reset(&small);
		otlp_add_points(&small, &points);
		if (!small.failed)
			break;
	}
	assert_in_range(small.len, 50, 199);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, otlp_request_begin, otlp_request_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(metrics_of_all_kinds),
		TEST(protoc_reads_what_is_written),
		TEST(without_room_it_fails),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
