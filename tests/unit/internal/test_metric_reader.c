/* SPDX-License-Identifier: MIT */
/*
 * Metrics by push: when they are read, what becomes of them whatever the collector does, and what is counted of that.
 * All but one test have a time of their own.
 */
#include "cmocka_all.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tel/src/metrics.h"
#include "telemetry_fixture.h"
#include "threads.h"

#define MS_BETWEEN(one, other) ((collector.request[other].at_ns - collector.request[one].at_ns) / VIRTUAL_MS)

#define SERVE(...)                                                                                                     \
	do {                                                                                                           \
		static const struct step script[] = {__VA_ARGS__};                                                     \
		collector_serve(script, sizeof(script) / sizeof(script[0]));                                           \
	} while (0)

TEL_COUNTER(orders, "test.orders", "{order}", "Orders.");
TEL_GAUGE(asked, "test.asked", "", "How often the hook ran.");
TEL_COUNTER(many, "test.many", "", "Many series.", "one", "other");
TEL_COUNTER(more, "test.more", "", "Many series.", "one", "other");
TEL_COUNTER(most, "test.most", "", "Many series.", "one", "other");
TEL_COUNTER(all, "test.all", "", "Many series.", "one", "other");

/* ---- what came --------------------------------------------------------------------------------------------------- */

struct message {
	const unsigned char *at, *end;
};

static uint64_t read_number(struct message *m)
{
	uint64_t value = 0;

	for (unsigned shift = 0;; shift += 7) {
		assert_true(m->at < m->end);
		value |= (uint64_t)(*m->at & 0x7f) << shift;
		if (!(*m->at++ & 0x80))
			return value;
	}
}

/* The next field of a message: its number; 0 at the end. Of bytes `inside` has them. */
static unsigned next_field(struct message *m, struct message *inside)
{
	if (m->at == m->end)
		return 0;
	uint64_t tag = read_number(m), bytes = 0;
	switch (tag & 7) {
	case 0: read_number(m); break;
	case 1: bytes = 8; break;
	case 2: bytes = read_number(m); break;
	default: fail_msg("wire type %d", (int)(tag & 7));
	}
	assert_in_range(bytes, 0, m->end - m->at);
	*inside = (struct message){m->at, m->at + bytes};
	m->at += bytes;
	return (unsigned)(tag >> 3);
}

struct seen {
	size_t points, empty; /* data points, metrics without any */
	double orders, asked; /* the last values; -1: none came */
};

static bool is_text(struct message text, const char *expected)
{
	size_t bytes = (size_t)(text.end - text.at);

	return bytes == strlen(expected) && memcmp(text.at, expected, bytes) == 0;
}

/* Gauge{data_points=1}, Sum{data_points=1} or Histogram{data_points=1}; NumberDataPoint{as_double=4} */
static void see_points(struct message data, double *value, struct seen *seen)
{
	struct message point, field;

	for (unsigned number; (number = next_field(&data, &point));) {
		if (number != 1)
			continue;
		seen->points++;
		while (value && (number = next_field(&point, &field)))
			if (number == 4)
				memcpy(value, field.at, sizeof(*value));
	}
}

static void see_metric(struct message metric, struct seen *seen)
{
	struct message field;
	double *value = NULL;

	for (unsigned number; (number = next_field(&metric, &field));) {
		if (number == 1)
			value = is_text(field, "test.orders")  ? &seen->orders
				: is_text(field, "test.asked") ? &seen->asked
							       : NULL;
		size_t earlier = seen->points;
		if (number != 5 && number != 7 && number != 9)
			continue;
		see_points(field, value, seen);
		seen->empty += seen->points == earlier;
	}
}

/* resource_metrics=1, scope_metrics=2, metrics=2 */
static void see(struct message m, int depth, struct seen *seen)
{
	struct message inside;

	if (depth == 3) {
		see_metric(m, seen);
		return;
	}
	for (unsigned number; (number = next_field(&m, &inside));)
		if (number == (depth ? 2u : 1u))
			see(inside, depth + 1, seen);
}

/* The collector keeps what it got, and counts in the end; the metrics of request `number`. */
static struct seen seen_in(size_t number)
{
	struct seen seen = {0, 0, -1, -1};
	const struct collector_request *request = &collector.request[number];

	assert_true(number < SEEN(requests));
	assert_memory_equal(request->head, "POST /v1/metrics HTTP/1.1\r\n", 27);
	see((struct message){(const unsigned char *)request->body,
			     (const unsigned char *)request->body + request->bytes},
	    0, &seen);
	assert_int_equal(seen.empty, 0);
	return seen;
}

static size_t points_in(size_t first, size_t last)
{
	size_t points = 0;

	for (size_t i = first; i <= last; i++)
		points += seen_in(i).points;
	return points;
}

/* ---- what is counted --------------------------------------------------------------------------------------------- */

struct point_counts {
	double exported, rejected, status_4xx, status_5xx, connection, timeout, in_flight;
};

static struct point_counts before;

static struct point_counts read_point_counts(void)
{
#define POINTS(type) metric("otel_sdk_exporter_metric_data_point_exported_total{error_type=\"" type "\"}")
	return (struct point_counts){POINTS(""),
				     POINTS("rejected"),
				     POINTS("4xx"),
				     POINTS("5xx"),
				     POINTS("connection"),
				     POINTS("timeout"),
				     metric("otel_sdk_exporter_metric_data_point_inflight")};
#undef POINTS
}

/* Since the test began; none is in flight when the thread sleeps. */
static struct point_counts point_counts(void)
{
	struct point_counts now = read_point_counts();

	assert_true(now.in_flight == 0);
	for (size_t i = 0; i < sizeof(now) / sizeof(double); i++)
		((double *)&now)[i] -= ((double *)&before)[i];
	return now;
}

static unsigned hook_runs;

static void hook(void)
{
	tel_gauge_set(&asked, ++hook_runs);
}

static void start(void)
{
	setenv("OTEL_METRICS_EXPORTER", "prometheus,otlp", 1);
	tel_metrics_hook(hook);
	start_telemetry(false);
	before = read_point_counts();
}

/* ---- the collector works ----------------------------------------------------------------------------------------- */

static void metrics_are_sent_every_minute_and_at_the_end(void **state)
{
	(void)state;
	SERVE(OK_EMPTY);
	start();
	double orders_before = series_value(tel_series(&orders));
	tel_counter_add(&orders, 3);
	virtual_pass(59 * VIRTUAL_SECOND);
	assert_int_equal(SEEN(requests), 0);
	virtual_pass(VIRTUAL_SECOND);
	assert_int_equal(SEEN(requests), 1);
	tel_counter_add(&orders, 4);
	unsigned runs = hook_runs;
	virtual_pass(60 * VIRTUAL_SECOND);
	assert_int_equal(MS_BETWEEN(0, 1), 60000);
	assert_true(seen_in(0).orders == orders_before + 3 && seen_in(1).orders == orders_before + 7);
	assert_true(seen_in(1).asked == runs + 1);
	struct point_counts c = point_counts();
	assert_true(c.exported == points_in(0, 1) && seen_in(0).points > 20);
	assert_int_equal(SEEN(connections), 1);
	tel_counter_add(&orders, 5);
	stop_telemetry(5000);
	assert_int_equal(SEEN(requests), 3);
	assert_true(seen_in(2).orders == orders_before + 12);
	assert_true(point_counts().exported == points_in(0, 2));
	assert_string_equal(log_text, ""); /* nothing to tell */
}

static void only_when_it_is_asked_for(void **state)
{
	(void)state;
	SERVE(OK_EMPTY);
	start_telemetry(false);
	virtual_pass(200 * VIRTUAL_SECOND);
	stop_telemetry(5000);
	setenv("OTEL_METRICS_EXPORTER", "otlp", 1);
	setenv("OTEL_SDK_DISABLED", "true", 1);
	assert_int_equal(tel_init(&(struct tel_config){.service_name = "test-service"}), 0);
	stop_telemetry(5000);
	unsetenv("OTEL_SDK_DISABLED");
	metrics_init(true);
	assert_int_equal(SEEN(requests), 0);
}

static void the_interval_is_a_setting(void **state)
{
	(void)state;
	setenv("OTEL_METRIC_EXPORT_INTERVAL", "2500", 1);
	setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip", 1);
	SERVE(OK_EMPTY);
	start();
	virtual_pass(10 * VIRTUAL_SECOND);
	assert_int_equal(SEEN(requests), 4);
	assert_int_equal(MS_BETWEEN(0, 3), 7500);
	assert_non_null(strstr(collector.request[0].head, "Content-Encoding: gzip"));
	stop_telemetry(5000);
}

static void fill(struct tel_metric *metric)
{
	char value[16];

	for (int i = 0; i < METRIC_SERIES_MAX; i++) {
		snprintf(value, sizeof(value), "%d", i);
		tel_counter_add(metric, 1, value, "the value of another label");
	}
}

static void many_points_make_several_requests(void **state)
{
	(void)state;
	SERVE(OK_EMPTY);
	start();
	fill(&many);
	fill(&more);
	fill(&most);
	fill(&all);
	virtual_pass(60 * VIRTUAL_SECOND);
	assert_int_equal(SEEN(requests), 2);
	assert_int_equal(seen_in(0).points, 1024);
	assert_in_range(seen_in(1).points, 20, 1000);
	assert_true(point_counts().exported == points_in(0, 1));
	assert_true(seen_in(0).orders >= 0 || seen_in(1).orders >= 0);
	stop_telemetry(5000);
	assert_int_equal(SEEN(requests), 4);
}

/* ---- the collector does something else --------------------------------------------------------------------------- */

static void busy_is_asked_again_with_the_same_bytes(void **state)
{
	(void)state;
	SERVE(STATUS("503 Service Unavailable"),
	      SAY("HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"), OK_EMPTY);
	start();
	virtual_pass(75 * VIRTUAL_SECOND);
	assert_int_equal(SEEN(requests), 3);
	for (int i = 1; i < 3; i++) {
		assert_int_equal(collector.request[i].bytes, collector.request[0].bytes);
		assert_memory_equal(collector.request[i].body, collector.request[0].body, collector.request[0].bytes);
	}
	assert_in_range(MS_BETWEEN(0, 1), 800, 1000);
	assert_int_equal(MS_BETWEEN(1, 2), 7000);
	assert_true(point_counts().exported == seen_in(0).points);
	virtual_pass(50 * VIRTUAL_SECOND); /* the next one is not late for it */
	assert_int_equal(MS_BETWEEN(0, 3), 60000);
	stop_telemetry(5000);
	assert_int_equal(logged("the collector does not take metrics"), 1);
	assert_int_equal(logged("the collector takes metrics again"), 1);
}

static void what_failed_is_not_kept_but_counted(void **state)
{
	(void)state;
	setenv("OTEL_METRIC_EXPORT_TIMEOUT", "1500", 1);
	SERVE(STATUS("503 Service Unavailable"), STATUS("503 Service Unavailable"), OK_EMPTY);
	start();
	virtual_pass(121 * VIRTUAL_SECOND);
	assert_int_equal(SEEN(requests), 3);
	assert_int_equal(MS_BETWEEN(0, 2), 60000);
	struct point_counts c = point_counts();
	assert_true(c.status_5xx == seen_in(0).points && c.exported == seen_in(2).points);
	assert_true(seen_in(2).asked == seen_in(0).asked + 1);
	stop_telemetry(5000);
}

static void retries_end_when_the_next_collection_is_due(void **state)
{
	(void)state;
	setenv("OTEL_METRIC_EXPORT_INTERVAL", "1500", 1);
	SERVE(STATUS("503 Service Unavailable"), STATUS("503 Service Unavailable"), STATUS("503 Service Unavailable"),
	      OK_EMPTY);
	start();
	VIRTUAL_UNTIL(read_point_counts().exported > before.exported, 60);
	struct point_counts c = point_counts();
	size_t last = SEEN(requests) - 1;
	assert_true(c.exported == seen_in(last).points && c.status_5xx > 0);
	assert_true(seen_in(last).asked > seen_in(0).asked);
	stop_telemetry(5000);
}

static void refused_is_not_repeated(void **state)
{
	(void)state;
	SERVE(STATUS("400 Bad Request"), OK_EMPTY);
	start();
	virtual_pass(120 * VIRTUAL_SECOND);
	assert_int_equal(SEEN(requests), 2);
	struct point_counts c = point_counts();
	assert_true(c.status_4xx == seen_in(0).points && c.exported == seen_in(1).points);
	stop_telemetry(5000);
	assert_int_equal(logged("the collector refuses metrics"), 1);
}

static void partial_success_is_counted(void **state)
{
	(void)state;
	SERVE(SAY("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n\x0a\x09\x08\x02\x12\x05no\nno"), OK_EMPTY);
	start();
	virtual_pass(60 * VIRTUAL_SECOND);
	struct point_counts c = point_counts();
	assert_true(c.rejected == 2 && c.exported == seen_in(0).points - 2.0);
	stop_telemetry(5000);
	assert_int_equal(logged("the collector has not taken all metrics"), 1);
}

static void a_hanging_collector_is_not_asked_twice(void **state)
{
	(void)state;
	SERVE((struct step){HANG, NULL, 0}, OK_EMPTY);
	start();
	virtual_pass(75 * VIRTUAL_SECOND); /* OTEL_EXPORTER_OTLP_TIMEOUT is 10 s */
	assert_int_equal(SEEN(requests), 1);
	assert_true(point_counts().timeout == seen_in(0).points);
	while (atomic_load(&collector.hangs)) /* it is outside of this time, and has yet to see that nobody waits */
		sched_yield();
	virtual_pass(60 * VIRTUAL_SECOND);
	assert_int_equal(MS_BETWEEN(0, 1), 60000);
	assert_true(point_counts().exported == seen_in(1).points);
	stop_telemetry(5000);
}

static void a_collector_that_is_not_there_is_found_later(void **state)
{
	(void)state;
	start(); /* nobody listens */
	virtual_pass(100 * VIRTUAL_SECOND);
	struct point_counts c = point_counts();
	assert_true(c.connection > 20 && c.exported == 0);
	SERVE(OK_EMPTY);
	virtual_pass(60 * VIRTUAL_SECOND);
	assert_true(point_counts().exported == seen_in(0).points);
	stop_telemetry(5000);
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

static void the_end_does_not_wait_for_a_hanging_collector(void **state)
{
	(void)state;
	SERVE((struct step){HANG, NULL, 0});
	start();
	double took_ms = stop_telemetry(4000);
	assert_true(took_ms <= 4000);
	assert_int_equal(SEEN(requests), 1);
	assert_true(point_counts().timeout == seen_in(0).points);
}

static void the_end_does_not_wait_for_a_collector_that_is_not_there(void **state)
{
	(void)state;
	start();
	double took_ms = stop_telemetry(60000);
	assert_true(took_ms < 1000);
	assert_true(point_counts().connection > 20);
}

static void the_end_interrupts_a_wait(void **state)
{
	(void)state;
	SERVE(SAY("HTTP/1.1 503 Busy\r\nRetry-After: 20\r\nContent-Length: 0\r\n\r\n"), OK_EMPTY);
	start();
	virtual_pass(61 * VIRTUAL_SECOND);
	assert_int_equal(SEEN(requests), 1);
	double took_ms = stop_telemetry(4000);
	assert_true(took_ms < 1000);
	assert_int_equal(SEEN(requests), 1); /* it asked for 20 s */
	assert_true(point_counts().status_5xx == seen_in(0).points);
}

/* What the last collection tells of spans is what became of them. */
static void the_last_collection_comes_after_the_last_span(void **state)
{
	(void)state;
	setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000", 1);
	SERVE(OK_EMPTY);
	start();
	make_spans(7);
	stop_telemetry(5000);
	assert_int_equal(SEEN(requests), 2);
	assert_memory_equal(collector.request[0].head, "POST /v1/traces HTTP/1.1\r\n", 26);
	assert_true(seen_in(1).points > 20);
}

/* ---- hooks ------------------------------------------------------------------------------------------------------- */

static atomic_int in_hook;
static atomic_bool met;

static void slow_hook(void)
{
	if (atomic_fetch_add(&in_hook, 1) > 0)
		atomic_store(&met, true);
	sched_yield();
	atomic_fetch_sub(&in_hook, 1);
}

static void *collect_often(void *arg)
{
	meet(1);
	for (int i = 0; i < 200; i++)
		metrics_run_hooks();
	return arg;
}

static void hooks_never_run_two_at_a_time(void **state)
{
	(void)state;
	tel_metrics_hook(slow_hook);
	run_threads(THREADS, collect_often);
	assert_false(atomic_load(&met));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_begin, fixture_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(metrics_are_sent_every_minute_and_at_the_end),
		TEST(only_when_it_is_asked_for),
		TEST(the_interval_is_a_setting),
		TEST(busy_is_asked_again_with_the_same_bytes),
		TEST(what_failed_is_not_kept_but_counted),
		TEST(retries_end_when_the_next_collection_is_due),
		TEST(refused_is_not_repeated),
		TEST(partial_success_is_counted),
		TEST(a_hanging_collector_is_not_asked_twice),
		TEST(a_collector_that_is_not_there_is_found_later),
		TEST(the_end_does_not_wait_for_a_hanging_collector),
		TEST(the_end_does_not_wait_for_a_collector_that_is_not_there),
		TEST(the_end_interrupts_a_wait),
		TEST(the_last_collection_comes_after_the_last_span),
		TEST(many_points_make_several_requests),
		cmocka_unit_test(hooks_never_run_two_at_a_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
