/* SPDX-License-Identifier: MIT */
/*
 * The exporter: what becomes of spans, whatever the collector does. Every test ends with the sums of its spans, and all
 * but one have a time of their own, so that their waits are exact.
 */
#include "cmocka_all.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "telemetry_fixture.h"

#define MS(from_ns, to_ns) (((to_ns) - (from_ns)) / VIRTUAL_MS)
#define MS_BETWEEN(one, other) MS(collector.request[one].at_ns, collector.request[other].at_ns)

#define SERVE(...)                                                                                                     \
	do {                                                                                                           \
		static const struct step script[] = {__VA_ARGS__};                                                     \
		collector_serve(script, sizeof(script) / sizeof(script[0]));                                           \
	} while (0)

/* ---- the collector works ---- */

static void spans_are_sent(void **state)
{
	(void)state;
	SERVE(OK_EMPTY);
	start_telemetry(false);
	make_spans(3);
	wait_until_empty();
	make_spans(4);
	wait_until_empty();
	struct counts c = counts();
	assert_true(c.started == 7 && c.exported == 7);
	assert_int_equal(SEEN(spans), 7);
	assert_int_equal(SEEN(connections), 1);
	assert_memory_equal(collector.request[0].head, "POST /v1/traces HTTP/1.1\r\n", 26);
	assert_true(metric("otel_sdk_processor_span_queue_capacity") == 2048);
	stop_telemetry(5000);
	assert_string_equal(log_text, ""); /* nothing to tell */
}

static void a_full_batch_does_not_wait(void **state)
{
	(void)state;
	setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000", 1);
	setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10", 1);
	SERVE(OK_EMPTY);
	start_telemetry(false);
	make_spans(25);
	virtual_settle();
	struct counts c = counts();
	assert_true(c.exported == 20 && c.queued == 5);
	assert_int_equal(collector.request[0].spans, 10);
	assert_int_equal(collector.request[1].spans, 10);
	stop_telemetry(5000); /* sends the rest */
	assert_int_equal(SEEN(spans), 25);
}

static void the_end_sends_what_is_queued(void **state)
{
	(void)state;
	setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000", 1);
	setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip", 1);
	SERVE(OK_EMPTY);
	start_telemetry(false);
	make_spans(1500); /* two full batches go before */
	stop_telemetry(20000);
	struct counts c = counts();
	assert_true(c.exported == 1500);
	assert_int_equal(SEEN(spans), 1500);
	assert_int_equal(logged("\n"), 0);
}

/* Of a span that is queued nothing but literals belongs to others. */
static void a_queued_span_stands_alone(void **state)
{
	static struct tel_parent parent;
	struct tel_span span;

	(void)state;
	SERVE(OK_EMPTY);
	start_telemetry(false);
	tel_parent_init(&parent);
	tel_parent_header(&parent, "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
	tel_parent_header(&parent, "tracestate", "vendor=value");
	tel_parent_end(&parent);
	tel_span_start_remote(&span, "span", TEL_SERVER, &parent);
	{
		char text[] = "copied text";
		tel_span_set(&span, tel_str("text", text));
		memset(text, '?', sizeof(text) - 1);
	}
	assert_true(counts().live == 1);
	tel_span_end(&span);
	memset(&parent, '?', sizeof(parent));
	memset(&span, '?', sizeof(span));
	assert_true(counts().live == 0 && counts().queued == 1);
	wait_until_empty();
	const struct collector_request *request = &collector.request[0];
	assert_non_null(memmem(request->body, request->bytes, "\x1a\x0cvendor=value", 14));
	assert_non_null(memmem(request->body, request->bytes, "copied text", 11));
	assert_null(memmem(request->body, request->bytes, "???", 3));
	stop_telemetry(5000);
}

static void *make_spans_on_a_thread(void *unused)
{
	(void)unused;
	make_spans(2000);
	return NULL;
}

static void many_threads_many_batches(void **state)
{
	pthread_t threads[4];

	(void)state;
	setenv("OTEL_BSP_SCHEDULE_DELAY", "1", 1);
	SERVE(OK_EMPTY);
	start_telemetry(false);
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, make_spans_on_a_thread, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	wait_until_empty();
	struct counts c = counts();
	assert_true(c.started == 8000 && c.exported + c.queue_full == 8000 && c.exported > 0);
	assert_int_equal(SEEN(spans), c.exported);
	stop_telemetry(5000);
}

/* ---- the collector answers something else ---- */

static void busy_is_asked_again_with_the_same_bytes(void **state)
{
	(void)state;
	SERVE(STATUS("503 Service Unavailable"),
	      SAY("HTTP/1.1 429 Slow\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n"), OK_EMPTY);
	start_telemetry(false);
	make_spans(5);
	wait_until_empty();
	struct counts c = counts();
	assert_true(c.exported == 5);
	assert_int_equal(SEEN(requests), 3);
	for (int i = 1; i < 3; i++) {
		assert_int_equal(collector.request[i].bytes, collector.request[0].bytes);
		assert_memory_equal(collector.request[i].body, collector.request[0].body, collector.request[0].bytes);
	}
	assert_in_range(MS_BETWEEN(0, 1), 800, 1000);
	assert_int_equal(MS_BETWEEN(1, 2), 2000);
	stop_telemetry(5000);
	assert_int_equal(logged("the collector does not take spans"), 1);
	assert_int_equal(logged("\"status\":503"), 1);
	assert_int_equal(logged("the collector takes spans again"), 1);
}

static void busy_for_too_long_loses_the_batch(void **state)
{
	(void)state;
	setenv("OTEL_BSP_EXPORT_TIMEOUT", "1200", 1);
	SERVE(STATUS("503 Service Unavailable"), STATUS("503 Service Unavailable"), OK_EMPTY);
	start_telemetry(false);
	make_spans(5);
	wait_until_empty();
	struct counts c = counts();
	assert_true(c.export_failed == 5 && c.status_5xx == 5);
	make_spans(1);
	wait_until_empty();
	assert_true(counts().exported == 1);
	stop_telemetry(5000);
}

static void a_wait_that_is_asked_for_outlasts_its_batch(void **state)
{
	(void)state;
	setenv("OTEL_BSP_EXPORT_TIMEOUT", "500", 1);
	SERVE(SAY("HTTP/1.1 503 Busy\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n"), OK_EMPTY);
	start_telemetry(false);
	make_spans(5);
	wait_until_empty();
	assert_true(counts().export_failed == 5);
	make_spans(6);
	wait_until_empty();
	assert_true(counts().exported == 6);
	assert_int_equal(MS_BETWEEN(0, 1), 2000);
	stop_telemetry(5000);
}

static void refused_is_not_repeated(void **state)
{
	(void)state;
	SERVE(STATUS("400 Bad Request"), OK_EMPTY);
	start_telemetry(false);
	make_spans(5);
	wait_until_empty();
	make_spans(2);
	wait_until_empty();
	struct counts c = counts();
	assert_true(c.refused == 5 && c.status_4xx == 5 && c.exported == 2);
	assert_int_equal(SEEN(requests), 2);
	stop_telemetry(5000);
	assert_int_equal(logged("the collector refuses spans"), 1);
	assert_int_equal(logged("\"status\":400"), 1);
}

static void partial_success_is_counted_and_logged(void **state)
{
	(void)state;
	SERVE(SAY("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n\x0a\x09\x08\x02\x12\x05no\nno"),
	      SAY("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\x0a\x02\x08\x7f"), OK_EMPTY);
	start_telemetry(false);
	make_spans(5);
	wait_until_empty();
	struct counts c = counts();
	assert_true(c.exported == 3 && c.rejected == 2 && c.refused == 2);
	make_spans(3); /* it says that it rejected more than there were */
	wait_until_empty();
	c = counts();
	assert_true(c.exported == 3 && c.rejected == 5 && c.refused == 5);
	stop_telemetry(5000);
	assert_int_equal(logged("the collector has not taken all spans"), 1); /* a line a minute */
	assert_int_equal(logged("no\\nno"), 1);
}

static void garbage_is_not_repeated(void **state)
{
	(void)state;
	SERVE(SAY("220 mail ESMTP\r\nConnection: close\r\n\r\n"), OK_EMPTY);
	start_telemetry(false);
	make_spans(5);
	wait_until_empty();
	make_spans(1);
	wait_until_empty();
	struct counts c = counts();
	assert_true(c.export_failed == 5 && c.protocol == 5 && c.exported == 1);
	stop_telemetry(5000);
}

/* ---- the collector does not answer ---- */

static void resets_are_repeated(void **state)
{
	(void)state;
	SERVE({RESET, NULL, 0}, OK_EMPTY);
	start_telemetry(false);
	make_spans(5);
	wait_until_empty();
	struct counts c = counts();
	assert_true(c.exported == 5);
	assert_int_equal(SEEN(requests), 2);
	stop_telemetry(5000);
}

static void spans_wait_for_a_collector_that_is_down(void **state)
{
	(void)state;
	start_telemetry(false);
	make_spans(5);
	virtual_pass(4 * VIRTUAL_SECOND);
	assert_true(counts().in_flight == 5 && counts().passed == 5);
	struct counts c = counts();
	assert_true(c.queued == 5);
	SERVE(OK_EMPTY);
	wait_until_empty();
	assert_true(counts().exported == 5);
	stop_telemetry(5000);
	assert_int_equal(logged("the collector does not take spans"), 1);
	assert_int_equal(logged("the collector takes spans again"), 1);
}

static void a_time_out_is_not_repeated(void **state)
{
	(void)state;
	setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1500", 1);
	SERVE({HANG, NULL, 0});
	start_telemetry(false);
	make_spans(5);
	wait_until_empty();
	assert_in_range(MS(collector.request[0].at_ns, clock_monotonic_ns()), 1500, 1550); /* the log waits 50 ms */
	struct counts c = counts();
	assert_true(c.export_failed == 5 && c.timeout == 5);
	assert_int_equal(SEEN(requests), 1);
	stop_telemetry(5000);
	assert_int_equal(logged("the collector does not take spans"), 1);
}

static void the_log_has_a_line_a_minute(void **state)
{
	(void)state;
	SERVE(STATUS("400 No"));
	start_telemetry(false);
	for (int i = 0; i < 20; i++) {
		make_spans(1);
		wait_until_empty();
		if (i == 9 || i == 14)
			virtual_pass(61 * VIRTUAL_SECOND);
	}
	assert_true(counts().refused == 20);
	stop_telemetry(5000);
	assert_int_equal(logged("the collector refuses spans"), 3);
	assert_int_equal(SEEN(requests), 20);
}

static void what_does_not_fit_is_dropped_at_once(void **state)
{
	(void)state;
	setenv("OTEL_BSP_MAX_QUEUE_SIZE", "100", 1);
	SERVE({HANG, NULL, 0});
	start_telemetry(false);
	make_spans(250);
	struct counts c = counts();
	assert_true(c.queued == 100 && c.queue_full == 150);
	assert_in_range(stop_telemetry(800), 0, 810);
	assert_true(counts().shutdown == 100);
}

/* ---- the end ---- */

static void the_end_keeps_to_its_budget(void **state)
{
	(void)state;
	SERVE({HANG, NULL, 0});
	start_telemetry(false);
	make_spans(5);
	VIRTUAL_UNTIL(SEEN(requests) == 1, 1);
	assert_in_range(stop_telemetry(1000), 750, 1000); /* a quarter is the log's */
	assert_true(counts().shutdown == 5);
	assert_int_equal(logged("spans were not sent before the end"), 1);
}

static void the_end_does_not_send_again_what_hangs(void **state)
{
	(void)state;
	setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1000", 1);
	SERVE({HANG, NULL, 0});
	start_telemetry(false);
	make_spans(5);
	VIRTUAL_UNTIL(SEEN(requests) == 1, 1);
	/* comes while the batch is on its way, which times out then */
	assert_in_range(stop_telemetry(20000), 1000, 1010);
	assert_int_equal(SEEN(requests), 1);
	assert_true(counts().shutdown == 5);
}

static void the_end_does_not_wait_for_a_collector_that_is_down(void **state)
{
	(void)state;
	start_telemetry(false);
	make_spans(5);
	assert_int_equal(stop_telemetry(20000), 0);
	assert_true(counts().shutdown == 5);

	/* nor while it waits for another attempt */
	start_telemetry(false);
	make_spans(5);
	virtual_pass(400 * VIRTUAL_MS);
	assert_in_range(stop_telemetry(20000), 0, 1000);
	assert_true(counts().shutdown == 5);
}

static void the_end_asks_a_busy_collector_again(void **state)
{
	(void)state;
	setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000", 1);
	SERVE(STATUS("503 Service Unavailable"), OK_EMPTY);
	start_telemetry(false);
	make_spans(5);
	assert_in_range(stop_telemetry(30000), 800, 1000);
	assert_true(counts().exported == 5);
}

static void spans_that_end_later_are_counted(void **state)
{
	struct tel_span span;

	(void)state;
	SERVE(OK_EMPTY);
	start_telemetry(false);
	tel_span_start(&span, "late", TEL_INTERNAL);
	stop_telemetry(2000);
	tel_span_end(&span);
	struct tel_span later;
	tel_span_start(&later, "later", TEL_INTERNAL); /* nothing is recorded any more */
	assert_false(tel_span_recording(&later));
	tel_span_end(&later);
	struct counts c = counts();
	assert_true(c.started == 1 && c.shutdown == 1);
}

/* The clock's own waits work as the test's do. */
static void in_real_time_too(void **state)
{
	(void)state;
	SERVE(OK_EMPTY);
	start_telemetry(false);
	make_spans(3); /* fewer than a batch: they go when their time has come */
	while (counts().exported < 3)
		clock_sleep_until(clock_monotonic_ns() + VIRTUAL_MS);
	make_spans(4);
	stop_telemetry(20000);
	assert_int_equal(SEEN(spans), 7);
}

/* ---- OTEL_SDK_DISABLED, OTEL_TRACES_SAMPLER ---- */

static void disabled_sends_nothing(void **state)
{
	(void)state;
	setenv("OTEL_SDK_DISABLED", "true", 1);
	SERVE(OK_EMPTY);
	assert_int_equal(tel_init(&(struct tel_config){.service_name = "test-service"}), 0);
	assert_false(tel_enabled());
	make_spans(1000);
	tel_info("logs go on");
	stop_telemetry(2000);
	assert_int_equal(SEEN(connections), 0);
	assert_int_equal(logged("logs go on"), 1);
}

static void unsampled_spans_are_not_sent(void **state)
{
	(void)state;
	setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off", 1);
	SERVE(OK_EMPTY);
	start_telemetry(false);
	assert_true(tel_enabled());
	make_spans(1000);
	stop_telemetry(2000);
	assert_true(counts().started == 0);
	assert_int_equal(SEEN(connections), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_begin, fixture_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(spans_are_sent),
		TEST(a_full_batch_does_not_wait),
		TEST(the_end_sends_what_is_queued),
		TEST(a_queued_span_stands_alone),
		TEST(many_threads_many_batches),
		TEST(busy_is_asked_again_with_the_same_bytes),
		TEST(busy_for_too_long_loses_the_batch),
		TEST(a_wait_that_is_asked_for_outlasts_its_batch),
		TEST(refused_is_not_repeated),
		TEST(partial_success_is_counted_and_logged),
		TEST(garbage_is_not_repeated),
		TEST(resets_are_repeated),
		TEST(spans_wait_for_a_collector_that_is_down),
		TEST(a_time_out_is_not_repeated),
		TEST(the_log_has_a_line_a_minute),
		TEST(what_does_not_fit_is_dropped_at_once),
		TEST(the_end_keeps_to_its_budget),
		TEST(the_end_does_not_send_again_what_hangs),
		TEST(the_end_does_not_wait_for_a_collector_that_is_down),
		TEST(the_end_asks_a_busy_collector_again),
		TEST(spans_that_end_later_are_counted),
		cmocka_unit_test_setup_teardown(in_real_time_too, fixture_begin_in_real_time, fixture_end),
		TEST(disabled_sends_nothing),
		TEST(unsampled_spans_are_not_sent),
	};

	return cmocka_run_group_tests_name("export", tests, NULL, NULL);
}
