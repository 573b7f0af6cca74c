/* SPDX-License-Identifier: MIT */
/* A process that exports forks: what of it does the parent send, and what the child? */
#include "cmocka_all.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "fork_fixture.h"
#include "tel/ship.h"
#include "tel/src/metrics.h"
#include "tel/src/span.h"

TEL_COUNTER(pushed, "test.pushed", "{thing}", "Counted by parent and children.");

static const struct step accepts[] = {OK_EMPTY};

/* ---- what came ---- */

/* Whether a request has these bytes. */
static bool has(size_t request, const void *bytes, size_t count)
{
	assert_true(request < SEEN(requests));
	return memmem(collector.request[request].body, collector.request[request].bytes, bytes, count);
}

#define HAS(request, literal) has(request, literal, sizeof(literal) - 1)

/* Two requests came from two instances of the same service. */
static void assert_other_instances(void)
{
	const struct collector_request *request = collector.request;
	const char *one = memmem(request[0].body, request[0].bytes, "service.instance.id", 19);
	const char *other = memmem(request[1].body, request[1].bytes, "service.instance.id", 19);

	assert_non_null(one);
	assert_non_null(other);
	assert_memory_not_equal(one, other, 19 + 4 + 36);
}

/* ---- spans ---- */

static bool send_one_span(int out)
{
	if (!init_child())
		return false;
	make_spans(1);
	tel_shutdown(20000);
	return give(out, "", 1);
}

/* Nothing is sent before the shutdown: the child's first, and then the parent's. */
static void queued_spans_are_the_parents_to_send(void **state)
{
	char byte;

	(void)state;
	NOT_IF_SANITIZED();
	setenv("OTEL_BSP_SCHEDULE_DELAY", "600000", 1);
	collector_serve(accepts, 1);
	init();
	make_spans(5);
	assert_int_equal(run_child(send_one_span, &byte, 1), 1);
	assert_int_equal(SEEN(spans), 1);
	tel_shutdown(20000);
	assert_int_equal(SEEN(spans), 6);
	assert_int_equal(SEEN(requests), 2);
	assert_other_instances();
}

static bool make_spans_without_init(int out)
{
	make_spans(3);
	double counted[] = {metric("otel_sdk_span_started_total"),
			    metric("otel_sdk_span_dropped_total{reason=\"shutdown\"}"),
			    metric("otel_sdk_processor_span_queue_size"), metric("otel_sdk_span_live")};
	tel_shutdown(1000);
	return give(out, counted, sizeof(counted));
}

static void spans_of_a_child_without_tel_init_are_dropped_and_said_once(void **state)
{
	double counted[4];

	(void)state;
	NOT_IF_SANITIZED();
	init();
	make_spans(7);
	tel_shutdown(1000); /* an exporter before the one that the child finds */
	init();
	assert_int_equal(run_child(make_spans_without_init, counted, sizeof(counted)), sizeof(counted));
	assert_true(counted[0] == 3 && counted[1] == 3 && counted[2] == 0 && counted[3] == 0);
	stop_telemetry(1000);
	assert_int_equal(logged("spans are dropped: this process was forked"), 1);
}

static bool end_what_is_open(int out)
{
	struct tel_span *inherited = tel_span_current();
	struct tel_context contexts[2] = {tel_span_context(inherited)};
	struct tel_span own;

	if (!init_child() || tel_span_recording(inherited))
		return false;
	tel_span_start(&own, "own", TEL_INTERNAL);
	memcpy(contexts[1].span_id, span_of(&own)->parent_span_id, 8);
	memcpy(contexts[1].trace_id, span_of(&own)->trace_id, 16);
	tel_span_end(&own);
	tel_span_end(inherited);
	tel_shutdown(20000);
	return give(out, contexts, sizeof(contexts));
}

static void an_open_span_is_the_parents_to_send(void **state)
{
	struct tel_context contexts[2];

	(void)state;
	NOT_IF_SANITIZED();
	setenv("OTEL_BSP_SCHEDULE_DELAY", "600000", 1);
	collector_serve(accepts, 1);
	init();
	{
		TEL_SPAN(span, "open", TEL_INTERNAL);
		assert_int_equal(run_child(end_what_is_open, contexts, sizeof(contexts)), sizeof(contexts));
		struct tel_context here = tel_span_context(span);
		assert_memory_equal(contexts[0].span_id, here.span_id, 8);
		assert_memory_equal(contexts[1].span_id, here.span_id, 8);
		assert_memory_equal(contexts[1].trace_id, here.trace_id, 16);
		assert_int_equal(SEEN(spans), 1);
	}
	tel_shutdown(20000);
	assert_int_equal(SEEN(spans), 2);
}

/* ---- log records ---- */

/* The collector has one connection at a time. */
static void export_only(const char *variable)
{
	setenv("OTEL_TRACES_EXPORTER", "none", 1);
	setenv(variable, "otlp", 1);
	setenv("OTEL_BLRP_SCHEDULE_DELAY", "600000", 1);
	setenv("OTEL_METRIC_EXPORT_INTERVAL", "600000", 1);
	collector_serve(accepts, 1);
}

static bool send_one_record(int out)
{
	if (!init_child())
		return false;
	tel_info("of the child");
	tel_shutdown(20000);
	return give(out, "", 1);
}

static void queued_log_records_are_the_parents_to_send(void **state)
{
	char byte;

	(void)state;
	NOT_IF_SANITIZED();
	export_only("OTEL_LOGS_EXPORTER");
	init();
	for (int i = 0; i < 5; i++)
		tel_info("of the parent");
	assert_int_equal(run_child(send_one_record, &byte, 1), 1);
	assert_int_equal(SEEN(spans), 1); /* log records, here */
	assert_true(HAS(0, "of the child") && !HAS(0, "of the parent"));
	stop_telemetry(20000);
	assert_int_equal(SEEN(spans), 6);
	assert_int_equal(SEEN(requests), 2);
	assert_true(HAS(1, "of the parent") && !HAS(1, "of the child"));
	assert_other_instances();
	assert_int_equal(logged("\"msg\":\"of the parent\""), 5);
	assert_int_equal(logged("\"msg\":\"of the child\""), 1);
	assert_int_equal(logged("\n"), 6);
}

static bool log_without_init(int out)
{
	for (int i = 0; i < 3; i++)
		tel_info("of the child");
	double counted[] = {metric("otel_sdk_log_created_total"),
			    metric("otel_sdk_log_dropped_total{reason=\"shutdown\"}"),
			    metric("otel_sdk_processor_log_queue_size")};
	tel_shutdown(1000);
	return give(out, counted, sizeof(counted));
}

static void log_records_of_a_child_without_tel_init_are_dropped_and_said_once(void **state)
{
	double counted[3];

	(void)state;
	NOT_IF_SANITIZED();
	export_only("OTEL_LOGS_EXPORTER");
	init();
	tel_info("of the parent");
	assert_int_equal(run_child(log_without_init, counted, sizeof(counted)), sizeof(counted));
	assert_true(counted[0] == 3 && counted[1] == 3 && counted[2] == 0);
	stop_telemetry(20000);
	assert_int_equal(SEEN(spans), 1);
	assert_int_equal(logged("\"msg\":\"of the child\""), 3);
	assert_int_equal(logged("log records are dropped: this process was forked"), 1);
}

/* ---- metrics ---- */

/* Values that no other metric has. */
#define OF_THE_PARENT 12345.25
#define OF_THE_CHILD 67.125

static bool has_value(size_t request, double value)
{
	return has(request, &value, sizeof(value));
}

static bool has_start(size_t request, uint64_t start_ns)
{
	return has(request, &start_ns, sizeof(start_ns));
}

static bool push_metrics_of_a_child(int out)
{
	uint64_t start_ns = metrics_start_ns();

	if (!init_child())
		return false;
	tel_counter_add(&pushed, OF_THE_CHILD);
	tel_shutdown(20000);
	return give(out, &start_ns, sizeof(start_ns));
}

static void a_child_pushes_what_it_counts_itself(void **state)
{
	uint64_t start_ns, begin_ns;

	(void)state;
	NOT_IF_SANITIZED();
	export_only("OTEL_METRICS_EXPORTER");
	init();
	tel_counter_add(&pushed, OF_THE_PARENT);
	begin_ns = metrics_start_ns();
	assert_int_equal(run_child(push_metrics_of_a_child, &start_ns, sizeof(start_ns)), sizeof(start_ns));
	assert_true(start_ns > begin_ns);
	tel_shutdown(20000);
	assert_int_equal(SEEN(requests), 2);
	assert_true(HAS(0, "test.pushed") && HAS(1, "test.pushed"));
	assert_true(has_value(0, OF_THE_CHILD) && has_start(0, start_ns));
	assert_false(has_value(0, OF_THE_PARENT) || has_value(0, OF_THE_PARENT + OF_THE_CHILD) ||
		     has_start(0, begin_ns));
	assert_true(has_value(1, OF_THE_PARENT) && has_start(1, begin_ns));
	assert_other_instances();
}

static bool count_without_init(int out)
{
	tel_counter_add(&pushed, OF_THE_CHILD);
	tel_shutdown(20000);
	return give(out, "", 1);
}

static void metrics_of_a_child_without_tel_init_are_not_pushed(void **state)
{
	char byte;

	(void)state;
	NOT_IF_SANITIZED();
	export_only("OTEL_METRICS_EXPORTER");
	init();
	assert_int_equal(run_child(count_without_init, &byte, 1), 1);
	assert_int_equal(SEEN(requests), 0);
	tel_shutdown(20000);
	assert_int_equal(SEEN(requests), 1);
	assert_false(has_value(0, OF_THE_CHILD));
}

/* ---- batches of ship.h ---- */

static struct tel_batch *shipped;

/* Whether this process has an end of a connection to the collector, of which the other is the collector's. */
static bool is_connected(void)
{
	int port = atoi(strrchr(collector.url, ':') + 1);

	for (int fd = 0; fd < 256; fd++) {
		struct sockaddr_in peer = {0};
		socklen_t size = sizeof(peer);
		if (getpeername(fd, (struct sockaddr *)&peer, &size) == 0 && peer.sin_family == AF_INET &&
		    ntohs(peer.sin_port) == port)
			return true;
	}
	return false;
}

static bool use_an_inherited_batch(int out)
{
	unsigned retry_ms;
	struct tel_span_facts facts = {.context = {.trace_id = {1}, .span_id = {2}, .flags = TEL_SAMPLED}};
	struct tel_span span;

	tel_span_from(&span, &facts);
	tel_batch_add(shipped, &span);
	bool nothing_sent = tel_batch_send(shipped, &retry_ms) == TEL_SENT_OK && tel_batch_count(shipped) == 1;
	tel_batch_cancel(shipped);
	tel_batch_free(shipped);
	return nothing_sent && !is_connected() && give(out, "", 1);
}

static void a_batch_is_not_inherited(void **state)
{
	struct tel_span_facts facts = {.context = {.trace_id = {1}, .span_id = {2}, .flags = TEL_SAMPLED}};
	struct tel_span span;
	unsigned retry_ms;
	char byte;

	(void)state;
	collector_serve(accepts, 1);
	assert_int_equal(tel_init(&(struct tel_config){.service_name = "test-service", .no_exporter = true}), 0);
	shipped = tel_batch_new();
	for (int i = 0; i < 2; i++) { /* with no connection, and with one */
		tel_span_from(&span, &facts);
		assert_true(tel_batch_add(shipped, &span));
		assert_int_equal(run_child(use_an_inherited_batch, &byte, 1), 1);
		assert_int_equal(tel_batch_send(shipped, &retry_ms), TEL_SENT_OK);
		assert_int_equal(SEEN(spans), i + 1);
	}
	assert_int_equal(SEEN(connections), 1); /* the child has not closed it */
	assert_true(is_connected());
	tel_batch_free(shipped);
	tel_shutdown(1000);
}

static bool send_after_failed_init(int out)
{
	const struct tel_span_facts facts = {.context = {.trace_id = {1}, .span_id = {2}, .flags = TEL_SAMPLED}};
	struct tel_span span;
	unsigned retry_ms;

	setenv("LOG_DIR", "/dev/null/nowhere", 1);
	if (init_child() || tel_batch_new())
		return false;
	setenv("LOG_DIR", temporary, 1);
	if (!init_child())
		return false;
	struct tel_batch *batch = tel_batch_new();
	tel_span_from(&span, &facts);
	bool sent = tel_batch_add(batch, &span) && tel_batch_send(batch, &retry_ms) == TEL_SENT_OK;
	tel_batch_free(batch);
	tel_shutdown(1000);
	if (!sent)
		return false;
	return give(out, "", 1);
}

/* It may try again. Until then there is nothing to make a batch with. */
static void tel_init_of_a_child_may_fail(void **state)
{
	char byte;

	(void)state;
	NOT_IF_SANITIZED();
	collector_serve(accepts, 1);
	assert_int_equal(tel_init(&(struct tel_config){.service_name = "test-service", .no_exporter = true}), 0);
	assert_int_equal(run_child(send_after_failed_init, &byte, 1), 1);
	assert_int_equal(SEEN(spans), 1);
	tel_shutdown(1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(queued_spans_are_the_parents_to_send),
		TEST(spans_of_a_child_without_tel_init_are_dropped_and_said_once),
		TEST(an_open_span_is_the_parents_to_send),
		TEST(queued_log_records_are_the_parents_to_send),
		TEST(log_records_of_a_child_without_tel_init_are_dropped_and_said_once),
		TEST(a_child_pushes_what_it_counts_itself),
		TEST(metrics_of_a_child_without_tel_init_are_not_pushed),
		TEST(a_batch_is_not_inherited),
		TEST(tel_init_of_a_child_may_fail),
	};

	return cmocka_run_group_tests_name("fork_export", tests, NULL, NULL);
}
