/* SPDX-License-Identifier: MIT */
/*
 * Log records on their way to the collector, beside their lines in the file. How an exporter deals with a collector is
 * tested with spans (test_export.c); here is that it does the same with log records, and what is theirs alone.
 */
#include "cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "count_allocations.h"
#include "telemetry_fixture.h"

#define SERVE(...)                                                                                                     \
	do {                                                                                                           \
		static const struct step script[] = {__VA_ARGS__};                                                     \
		collector_serve(script, sizeof(script) / sizeof(script[0]));                                           \
	} while (0)

/* The collector has one connection at a time: spans go elsewhere, or nowhere. */
static int set_up(int error)
{
	setenv("OTEL_LOGS_EXPORTER", "otlp", 1);
	setenv("OTEL_TRACES_EXPORTER", "none", 1);
	setenv("OTEL_BLRP_SCHEDULE_DELAY", "50", 1);
	return error;
}

static int begin_logs(void **state)
{
	return set_up(fixture_begin(state));
}

static int begin_in_real_time(void **state)
{
	return set_up(fixture_begin_in_real_time(state));
}

static void make_records(int count)
{
	while (count--)
		tel_info("record", tel_int("n", count));
}

static void wait_until_sent(void)
{
	VIRTUAL_UNTIL(metric("otel_sdk_processor_log_queue_size") == 0, 600);
}

/* Whether a request that the collector keeps has these bytes. */
static bool sent(const void *bytes, size_t count)
{
	for (size_t i = 0; i < SEEN(requests) && i < COLLECTOR_REQUESTS_KEPT; i++)
		if (memmem(collector.request[i].body, collector.request[i].bytes, bytes, count))
			return true;
	return false;
}

#define SENT(literal) sent(literal, sizeof(literal) - 1)

/* ---- what is sent ---- */

static void records_are_sent_and_written(void **state)
{
	(void)state;
	SERVE(OK_EMPTY);
	start_telemetry(false);
	tel_debug("below the level");
	make_records(3);
	wait_until_sent();
	make_records(4);
	wait_until_sent();
	struct counts c = log_counts();
	assert_true(c.started == 7 && c.exported == 7 && c.passed == 7);
	assert_int_equal(SEEN(spans), 7);
	assert_int_equal(SEEN(connections), 1);
	assert_memory_equal(collector.request[0].head, "POST /v1/logs HTTP/1.1\r\n", 24);
	assert_true(metric("otel_sdk_processor_log_queue_capacity") == 2048);
	assert_true(metric("otel_sdk_exporter_operation_duration_seconds_count{otel_component_type=\""
			   "otlp_http_log_exporter\",error_type=\"\"}") == 2);
	stop_telemetry(5000);
	assert_int_equal(logged("\"msg\":\"record\""), 7);
	assert_int_equal(logged("\n"), 7);
	assert_true(counts().started == 0);
}

static void a_record_has_the_ids_of_its_span(void **state)
{
	static struct tel_parent parent;
	struct tel_span span;

	(void)state;
	SERVE(OK_EMPTY);
	setenv("OTEL_TRACES_EXPORTER", "otlp", 1);
	setenv("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", collector.url, 1);
	setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1", 1); /* spans wait for it */
	start_telemetry(false);
	tel_parent_init(&parent);
	tel_parent_header(&parent, "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
	tel_parent_end(&parent);
	tel_span_start_remote(&span, "span", TEL_SERVER, &parent);
	struct tel_context context = tel_span_context(&span);
	tel_info("within");
	wait_until_sent();
	tel_span_end(&span);
	/* flags, trace_id, span_id */
	unsigned char fields[5 + 18 + 10] = {0x45, 1, 0, 0, 0, 0x4a, 16};
	memcpy(fields + 7, context.trace_id, 16);
	fields[23] = 0x52;
	fields[24] = 8;
	memcpy(fields + 25, context.span_id, 8);
	assert_true(sent(fields, sizeof(fields)));
	assert_memory_equal(collector.request[0].head, "POST / HTTP/1.1\r\n", 17);
	stop_telemetry(5000);
	assert_true(log_counts().exported == 1);
	assert_true(counts().shutdown == 1);
}

static void an_event_is_a_record_with_a_name(void **state)
{
	(void)state;
	SERVE(OK_EMPTY);
	start_telemetry(false);
	tel_event("payment.declined", tel_int("amount", 7));
	tel_event("bare.event");
	wait_until_sent();
	assert_true(SENT("\x62\x10payment.declined"));
	assert_true(SENT("\x62\x0a"
			 "bare.event"));
	assert_true(SENT("\x10\x09\x1a\x04INFO"));
	stop_telemetry(5000);
	assert_int_equal(
		logged("\"level\":\"info\",\"service\":\"test-service\",\"msg\":\"payment.declined\",\"event\":"
		       "\"payment.declined\",\"amount\":7}"),
		1);
	assert_int_equal(logged("\"msg\":\"bare.event\",\"event\":\"bare.event\"}"), 1);
	assert_true(log_counts().exported == 2);
}

static void the_level_holds_for_events_too(void **state)
{
	(void)state;
	setenv("LOG_LEVEL", "warn", 1);
	SERVE(OK_EMPTY);
	start_telemetry(false);
	tel_event("payment.declined");
	tel_info("info");
	tel_warn("warn");
	stop_telemetry(5000);
	assert_true(log_counts().exported == 1);
	assert_int_equal(logged("\n"), 1);
}

static void calls_that_make_no_sense_are_refused(void **state)
{
	(void)state;
	SERVE(OK_EMPTY);
	start_telemetry(false);
	for (int i = 0; i < 2; i++) {
		tel_event(NULL);
		tel_event("");
		tel_event_attrs("no.attributes", NULL, 1);
		tel_log((enum tel_level)4, "no such level", NULL, 0);
		tel_log((enum tel_level) - 1, "no such level", NULL, 0);
		tel_log(TEL_LEVEL_INFO, NULL, NULL, 0);
		tel_log(TEL_LEVEL_INFO, "no attributes", NULL, 1);
	}
	stop_telemetry(5000);
	assert_true(log_counts().started == 0);
	assert_int_equal(logged("a call of the telemetry library was refused"), 4);
	assert_int_equal(logged("\n"), 4);
}

static void spans_of_a_host_that_ships_them_do_not_matter(void **state)
{
	(void)state;
	SERVE(OK_EMPTY);
	start_telemetry(true);
	make_records(3);
	wait_until_sent();
	assert_true(log_counts().exported == 3);
	stop_telemetry(5000);
}

/* ---- what is not ---- */

static void nothing_is_sent_unless_it_is_asked_for(void **state)
{
	(void)state;
	SERVE(OK_EMPTY);
	for (int i = 0; i < 2; i++) {
		unsetenv("OTEL_LOGS_EXPORTER");
		if (i)
			setenv("OTEL_LOGS_EXPORTER", "none", 1);
		start_telemetry(false);
		make_records(3);
		assert_true(log_counts().started == 0);
		stop_telemetry(1000);
	}
	setenv("OTEL_LOGS_EXPORTER", "otlp", 1);
	setenv("OTEL_SDK_DISABLED", "true", 1);
	assert_int_equal(tel_init(&(struct tel_config){.service_name = "test-service"}), 0);
	make_records(3);
	stop_telemetry(1000);
	assert_int_equal(logged("\"msg\":\"record\""), 9);
	assert_int_equal(SEEN(connections), 0);
}

static void what_does_not_fit_is_dropped_at_once(void **state)
{
	(void)state;
	setenv("OTEL_BLRP_MAX_QUEUE_SIZE", "100", 1);
	SERVE({HANG, NULL, 0});
	start_telemetry(false);
	make_records(250);
	struct counts c = log_counts();
	assert_true(c.queued == 100 && c.queue_full == 150);
	assert_in_range(stop_telemetry(800), 0, 810);
	assert_true(log_counts().shutdown == 100);
	assert_int_equal(logged("\"msg\":\"record\""), 250);
	assert_int_equal(logged("log records were not sent before the end"), 1);
}

/* What is said about the exporter is a line, and no record that it would have to send. */
static void complaints_do_not_feed_what_they_are_about(void **state)
{
	(void)state;
	setenv("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "1", 1);
	SERVE(STATUS("400 Bad Request"));
	start_telemetry(false);
	for (int i = 0; i < 5; i++) {
		make_records(1);
		wait_until_sent();
		virtual_pass(61 * VIRTUAL_SECOND);
	}
	struct counts c = log_counts();
	assert_true(c.started == 5 && c.refused == 5 && c.status_4xx == 5);
	assert_int_equal(SEEN(requests), 5);
	stop_telemetry(5000);
	assert_int_equal(logged("the collector refuses log records"), 5);
	assert_int_equal(logged("\"log_records\":1"), 5);
}

static void busy_is_asked_again_and_partial_success_is_counted(void **state)
{
	(void)state;
	SERVE(STATUS("503 Service Unavailable"),
	      SAY("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n\x0a\x09\x08\x02\x12\x05no\nno"), OK_EMPTY);
	start_telemetry(false);
	make_records(5);
	virtual_pass(500 * VIRTUAL_MS);
	struct counts c = log_counts();
	assert_true(c.queued == 5 && c.in_flight == 5 && c.passed == 5);
	wait_until_sent();
	c = log_counts();
	assert_true(c.exported == 3 && c.rejected == 2 && c.refused == 2 && c.in_flight == 0);
	assert_int_equal(collector.request[1].bytes, collector.request[0].bytes);
	assert_memory_equal(collector.request[1].body, collector.request[0].body, collector.request[0].bytes);
	stop_telemetry(5000);
	assert_int_equal(logged("the collector does not take log records"), 1);
	assert_int_equal(logged("the collector takes log records again"), 1);
}

/* ---- the end ---- */

static void the_end_sends_what_is_queued(void **state)
{
	(void)state;
	setenv("OTEL_BLRP_SCHEDULE_DELAY", "3600000", 1);
	SERVE(OK_EMPTY);
	start_telemetry(false);
	make_records(700);
	stop_telemetry(20000);
	assert_true(log_counts().exported == 700);
	make_records(1); /* a line alone: nothing takes records any more */
	assert_true(log_counts().started == 700);
}

/* Both exporters wait, and yet the budget is one. */
static void the_end_of_both_keeps_to_one_budget(void **state)
{
	(void)state;
	setenv("OTEL_TRACES_EXPORTER", "otlp", 1);
	setenv("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", collector.url, 1);
	SERVE({HANG, NULL, 0});
	start_telemetry(false);
	make_records(3);
	make_spans(5);
	VIRTUAL_UNTIL(SEEN(requests) == 1, 1);
	assert_in_range(stop_telemetry(1000), 750, 1000);
	assert_true(log_counts().shutdown == 3);
	assert_true(counts().shutdown == 5);
}

/* Each allocation of the start fails once: nothing is left over then, and the next start is as if there had been none.
 */
static void a_start_without_memory_leaves_nothing(void **state)
{
	const struct tel_config config = {.service_name = "test-service"};
	unsigned failed_starts = 0;

	(void)state;
	setenv("OTEL_TRACES_EXPORTER", "otlp", 1);
	for (unsigned long number = 1;; number++) {
		unsigned long failures = atomic_load(&allocation_failures);
		atomic_store(&failing_allocation, atomic_load(&allocations) + number);
		int error = tel_init(&config);
		atomic_store(&failing_allocation, 0);
		assert_true(error == 0 || error == -ENOMEM);
		failed_starts += error != 0;
		if (!error)
			tel_shutdown(1000);
		if (atomic_load(&allocation_failures) == failures)
			break;
	}
	assert_true(failed_starts > 10);
	SERVE(OK_EMPTY);
	setenv("OTEL_TRACES_EXPORTER", "none", 1);
	start_telemetry(false);
	make_records(3);
	stop_telemetry(5000);
	assert_true(log_counts().exported == 3);
}

/* ---- the cost ---- */

static void logging_allocates_nothing(void **state)
{
	static char text[9000];

	(void)state;
	setenv("OTEL_BLRP_SCHEDULE_DELAY", "3600000", 1);
	SERVE(OK_EMPTY);
	start_telemetry(false);
	memset(text, 'x', sizeof(text) - 1);
	make_records(1);
	virtual_settle();
	unsigned long before = atomic_load(&allocations);
	for (int i = 0; i < 400; i++)
		tel_info("record", tel_str("method", "GET"), tel_double("duration_ms", i / 7.0), tel_str("bad", "\xff"),
			 tel_str("text", i % 100 ? "" : text));
	tel_event("event", tel_int("n", 1));
	assert_int_equal(atomic_load(&allocations), before);
	stop_telemetry(20000);
	assert_true(log_counts().exported == 402);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_logs, fixture_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(records_are_sent_and_written),
		TEST(a_record_has_the_ids_of_its_span),
		TEST(an_event_is_a_record_with_a_name),
		TEST(the_level_holds_for_events_too),
		TEST(calls_that_make_no_sense_are_refused),
		TEST(spans_of_a_host_that_ships_them_do_not_matter),
		TEST(nothing_is_sent_unless_it_is_asked_for),
		TEST(what_does_not_fit_is_dropped_at_once),
		TEST(complaints_do_not_feed_what_they_are_about),
		TEST(busy_is_asked_again_and_partial_success_is_counted),
		TEST(the_end_sends_what_is_queued),
		TEST(the_end_of_both_keeps_to_one_budget),
		cmocka_unit_test_setup_teardown(a_start_without_memory_leaves_nothing, begin_in_real_time, fixture_end),
		TEST(logging_allocates_nothing),
	};

	return cmocka_run_group_tests_name("export_logs", tests, NULL, NULL);
}
