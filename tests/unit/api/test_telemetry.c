/* SPDX-License-Identifier: MIT */
/* Telemetry as a whole: its life cycle, and that a request costs no allocation once it has started. */
#include "cmocka_all.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "count_allocations.h"
#include "telemetry_fixture.h"

TEL_COUNTER(things, "test.things", "{thing}", "Things.");
TEL_COUNTER(labelled, "test.labelled", "{thing}", "Things with a label.", "kind");
TEL_HISTOGRAM(durations, "test.duration", "s", "Durations.", tel_http_bounds, "route", "status");

/* Does all that the request loop, a handler, the database and calls do with telemetry in one request. */
static void serve_request(int number)
{
	static struct tel_parent parent;
	struct tel_span server;
	char route[16];

	tel_parent_init(&parent);
	tel_parent_header(&parent, "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
	tel_parent_header(&parent, "tracestate", "a=1,b=2");
	tel_parent_header(&parent, "baggage", "c=3");
	tel_parent_end(&parent);
	tel_span_start_remote(&server, "request", TEL_SERVER, number % 2 ? &parent : NULL);
	snprintf(route, sizeof(route), "/%d/{id}", number % 50);
	tel_span_rename(&server, "GET", route);
	tel_span_set(&server, tel_str("http.route", route), tel_int("http.response.status_code", 200),
		     tel_double("d", 0.1), tel_bool("b", true), tel_lit("url.scheme", "http"));
	{
		TEL_SPAN(call, "GET", TEL_CLIENT);
		struct tel_carrier carrier;
		tel_span_inject(call, &carrier);
		assert_int_equal(strlen(carrier.traceparent), TEL_TRACEPARENT_LENGTH);
		tel_span_event(call, "event", tel_str("text", carrier.traceparent));
		tel_span_link(call, tel_span_context(&server));
		tel_span_fail(call, "503");
		tel_error("call failed", tel_str("url", "http://127.0.0.1/\xff"), tel_int("number", number));
	}
	tel_counter_add(&things, 1);
	tel_series_add(tel_series(&labelled, number % 3 ? "one" : "two"), 1);
	tel_span_end(&server);
	tel_series_record(tel_series(&durations, route, "200"), 0.001 * number, &server);
	tel_info("request", tel_str("route", route), tel_double("duration_ms", 0.25));
}

/* What the allocator has given out, to libc's own calls too; 0 under the sanitizers' allocators. */
static size_t bytes_in_use(void)
{
	struct mallinfo2 info = mallinfo2();
	return info.uordblks + info.hblkhd;
}

static void a_request_allocates_nothing(void **state)
{
	static const struct step ok = OK_EMPTY;

	(void)state;
	/* the exporter sleeps meanwhile, for curl allocates; more spans than the queue holds: drops are met too */
	setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000", 1);
	setenv("OTEL_BSP_MAX_QUEUE_SIZE", "1000", 1);
	setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1000", 1);
	collector_serve(&ok, 1);
	start_telemetry(false);
	tel_info("warm up");
	virtual_pass(VIRTUAL_SECOND);

	unsigned long allocations_before = atomic_load(&allocations);
	size_t bytes_before = bytes_in_use();
	for (int i = 0; i < 400; i++)
		serve_request(i);
	size_t bytes_after = bytes_in_use();
	assert_int_equal(atomic_load(&allocations), allocations_before);
	assert_int_equal(bytes_after, bytes_before);
	for (int i = 0; i < 200; i++) /* now the queue fills: the exporter wakes, and may allocate */
		serve_request(i);
	stop_telemetry(10000);
	struct counts c = counts();
	assert_true(c.started == 1200 && c.exported >= 1000);
	assert_int_equal(SEEN(spans), c.exported);
	assert_true(allocations_before > 0); /* the counter counts */
}

static void the_log_says_when_it_cannot_be_opened(void **state)
{
	(void)state;
	setenv("LOG_DIR", "/nonexistent/directory", 1);
	assert_int_equal(tel_init(&(struct tel_config){.service_name = "test-service"}), -ENOENT);
	assert_false(tel_enabled());
	make_spans(3); /* harmless */
}

static void names_come_from_the_configuration(void **state)
{
	static const struct step ok = OK_EMPTY;
	char path[300];

	(void)state;
	collector_serve(&ok, 1);
	assert_int_equal(tel_init(&(struct tel_config){.service_name = "api", .log_name = "shipper"}), 0);
	tel_info("hello");
	make_spans(1);
	tel_shutdown(5000);
	snprintf(path, sizeof(path), "%s/shipper.log", temporary);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	log_text[fread(log_text, 1, sizeof(log_text) - 1, file)] = '\0';
	fclose(file);
	unlink(path);
	assert_int_equal(logged("\"service\":\"api\""), 1);
	assert_non_null(memmem(collector.request[0].body, collector.request[0].bytes,
			       "service.name\x12\x05\x0a\x03"
			       "api",
			       19));
}

/* Spans without tel_init, as in a tool that links the library: ids, and nothing else. */
static void before_init_there_are_only_ids(void **state)
{
	(void)state;
	TEL_SPAN(span, "span", TEL_INTERNAL);
	assert_true(tel_context_valid(tel_span_context(span)));
	assert_false(tel_span_recording(span));
	assert_false(tel_enabled());
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_begin, fixture_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(before_init_there_are_only_ids),
		TEST(a_request_allocates_nothing),
		TEST(the_log_says_when_it_cannot_be_opened),
		TEST(names_come_from_the_configuration),
	};

	return cmocka_run_group_tests_name("telemetry", tests, NULL, NULL);
}
