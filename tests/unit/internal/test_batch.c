/* SPDX-License-Identifier: MIT */
/* tel_batch_*: spans that a program ships by itself. */
#include "cmocka_all.h"

#include <stdlib.h>

#include "base/thread.h"
#include "tel/src/batch.h"
#include "telemetry_fixture.h"

static const struct step ok = OK_EMPTY;
static const struct step refusing = STATUS("400 Bad Request");
static const struct step hanging = {HANG, NULL, 0};
static const struct tel_span_facts sampled = {
	.kind = TEL_SERVER,
	.context = {.trace_id = {1}, .span_id = {1}, .flags = TEL_SAMPLED},
	.parent_span_id = {1},
	.start_ns = 1,
	.end_ns = 2,
};
static struct tel_batch *batch;

static void fill(size_t spans, uint8_t flags)
{
	const struct tel_span_facts facts = {.kind = TEL_SERVER,
					     .context = {.trace_id = {1}, .span_id = {2}, .flags = flags},
					     .start_ns = 1,
					     .end_ns = 2};

	while (spans--) {
		struct tel_span span;
		tel_span_from(&span, &facts);
		tel_span_rename(&span, "GET", "/");
		assert_true(tel_batch_add(batch, &span));
	}
}

static void begin_batch(void)
{
	start_telemetry(true);
	batch = tel_batch_new();
	assert_non_null(batch);
}

static void end_batch(void)
{
	tel_batch_free(batch);
	stop_telemetry(1000);
}

static void what_is_accepted_is_gone(void **state)
{
	unsigned retry_ms = 77;

	(void)state;
	collector_serve(&ok, 1);
	begin_batch();
	assert_int_equal(tel_batch_send(batch, &retry_ms), TEL_SENT_OK); /* there is nothing to send */
	fill(5, TEL_SAMPLED);
	fill(3, TEL_RANDOM); /* not sampled: as if added */
	assert_int_equal(tel_batch_count(batch), 5);
	assert_true(counts().queued == 5);
	assert_int_equal(tel_batch_send(batch, &retry_ms), TEL_SENT_OK);
	assert_int_equal(tel_batch_count(batch), 0);
	fill(2, TEL_SAMPLED);
	assert_int_equal(tel_batch_send(batch, &retry_ms), TEL_SENT_OK);
	struct counts c = counts();
	assert_true(c.started == 7 && c.exported == 7);
	assert_int_equal(collector.request[0].spans, 5);
	assert_int_equal(collector.request[1].spans, 2);
	assert_int_equal(SEEN(requests), 2);
	assert_int_equal(SEEN(connections), 1);
	assert_int_equal(retry_ms, 77);
	make_spans(10); /* own spans are not recorded without an exporter */
	assert_true(counts().started == 7);
	end_batch();
}

static void what_is_refused_is_lost(void **state)
{
	unsigned retry_ms = 0;

	(void)state;
	collector_serve(&refusing, 1);
	begin_batch();
	fill(5, TEL_SAMPLED);
	assert_int_equal(tel_batch_send(batch, &retry_ms), TEL_SENT_REFUSED);
	assert_int_equal(tel_batch_count(batch), 0);
	struct counts c = counts();
	assert_true(c.refused == 5 && c.status_4xx == 5);
	end_batch();
	assert_int_equal(logged("the collector refuses spans"), 1);
}

static void anything_else_keeps_the_spans(void **state)
{
	/* on a kept connection libcurl itself would repeat what was reset */
	static const struct step script[] = {
		STATUS("503 Service Unavailable"),
		SAY("HTTP/1.1 429 Slow\r\nRetry-After: 9\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"),
		{RESET, NULL, 0},
		SAY("gibberish\r\nConnection: close\r\n\r\n"),
		OK_EMPTY,
	};
	unsigned retry_ms = 0;

	(void)state;
	begin_batch();
	fill(5, TEL_SAMPLED);
	assert_int_equal(tel_batch_send(batch, &retry_ms), TEL_SENT_TRY_AGAIN); /* refused connection */
	assert_in_range(retry_ms, 800, 1000);
	collector_serve(script, 5);
	assert_int_equal(tel_batch_send(batch, &retry_ms), TEL_SENT_TRY_AGAIN);
	assert_in_range(retry_ms, 1600, 2000);
	assert_int_equal(tel_batch_send(batch, &retry_ms), TEL_SENT_TRY_AGAIN);
	assert_int_equal(retry_ms, 9000);
	assert_int_equal(tel_batch_send(batch, &retry_ms), TEL_SENT_TRY_AGAIN);
	assert_in_range(retry_ms, 4000, 5000);
	assert_int_equal(tel_batch_send(batch, &retry_ms), TEL_SENT_TRY_AGAIN);
	struct counts c = counts();
	assert_true(c.queued == 5 && c.started == 5);
	assert_int_equal(tel_batch_send(batch, &retry_ms), TEL_SENT_OK);
	assert_int_equal(collector.request[4].spans, 5);
	assert_true(counts().exported == 5);
	end_batch();
	assert_int_equal(logged("the collector does not take spans"), 1);
	assert_int_equal(logged("the collector takes spans again"), 1);
}

static void full_is_full(void **state)
{
	unsigned retry_ms;
	struct tel_span span;

	(void)state;
	setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "3", 1);
	collector_serve(&ok, 1);
	begin_batch();
	fill(3, TEL_SAMPLED);
	tel_span_from(&span, &sampled);
	assert_false(tel_batch_add(batch, &span));
	assert_int_equal(tel_batch_count(batch), 3);
	assert_true(counts().started == 3);
	assert_int_equal(tel_batch_send(batch, &retry_ms), TEL_SENT_OK);
	assert_true(tel_batch_add(batch, &span));
	end_batch();
	assert_true(counts().shutdown == 1); /* freed unsent */
}

/* A batch is also full when its bytes are: what was added stays whole. */
static void full_of_bytes(void **state)
{
	static char text[100001];
	unsigned retry_ms;
	struct tel_span span;
	size_t spans = 0;

	(void)state;
	memset(text, 't', sizeof(text) - 1);
	collector_serve(&ok, 1);
	begin_batch();
	for (;; spans++) {
		tel_span_from(&span, &sampled);
		tel_span_set(&span, tel_lit("long", text));
		if (!tel_batch_add(batch, &span))
			break;
	}
	assert_in_range(spans, 30, 60);
	assert_int_equal(tel_batch_count(batch), spans);
	assert_int_equal(tel_batch_send(batch, &retry_ms), TEL_SENT_OK);
	assert_int_equal(SEEN(spans), spans);
	end_batch();
}

static void cancel_after_a_while(void *unused)
{
	(void)unused;
	clock_sleep_until(clock_monotonic_ns() + VIRTUAL_SECOND);
	tel_batch_cancel(batch);
}

static void cancel_ends_a_send(void **state)
{
	unsigned retry_ms = 0;
	struct thread other = THREAD_INITIALIZER;

	(void)state;
	collector_serve(&hanging, 1);
	begin_batch();
	fill(5, TEL_SAMPLED);
	assert_int_equal(thread_start(&other, "other", cancel_after_a_while, NULL), 0);
	uint64_t begin_ns = clock_monotonic_ns();
	assert_int_equal(tel_batch_send(batch, &retry_ms), TEL_SENT_TRY_AGAIN);
	/* an answer that is on its way has half a second */
	assert_in_range((clock_monotonic_ns() - begin_ns) / VIRTUAL_MS, 1500, 1501);
	assert_true(thread_stop(&other, CLOCK_NEVER));
	assert_int_equal(tel_batch_send(batch, &retry_ms), TEL_SENT_TRY_AGAIN); /* and none begins */
	assert_int_equal(SEEN(requests), 1);
	assert_int_equal(tel_batch_count(batch), 5);
	end_batch();
}

static void disabled_takes_nothing(void **state)
{
	unsigned retry_ms;

	(void)state;
	setenv("OTEL_SDK_DISABLED", "true", 1);
	collector_serve(&ok, 1);
	assert_int_equal(tel_init(&(struct tel_config){.service_name = "test-service", .no_exporter = true}), 0);
	batch = tel_batch_new();
	assert_non_null(batch);
	fill(5, TEL_SAMPLED);
	assert_int_equal(tel_batch_count(batch), 0);
	assert_int_equal(tel_batch_send(batch, &retry_ms), TEL_SENT_OK);
	assert_int_equal(SEEN(connections), 0);
	end_batch();
}

static void backoff_doubles_up_to_five_seconds(void **state)
{
	static const unsigned most_ms[] = {1000, 1000, 2000, 4000, 5000, 5000};

	(void)state;
	for (unsigned failures = 0; failures < 6; failures++) {
		unsigned least = UINT32_MAX, most = 0;
		for (uint64_t random = 0; random < 5000; random++) {
			unsigned wait_ms = batch_backoff_ms(failures, random);
			least = wait_ms < least ? wait_ms : least;
			most = wait_ms > most ? wait_ms : most;
		}
		assert_int_equal(most, most_ms[failures]);
		assert_int_equal(least, most_ms[failures] / 5 * 4);
	}
	assert_in_range(batch_backoff_ms(1000000, UINT64_MAX), 4000, 5000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_begin, fixture_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_accepted_is_gone),
		TEST(what_is_refused_is_lost),
		TEST(anything_else_keeps_the_spans),
		TEST(full_is_full),
		TEST(full_of_bytes),
		TEST(cancel_ends_a_send),
		TEST(disabled_takes_nothing),
		cmocka_unit_test(backoff_doubles_up_to_five_seconds),
	};

	return cmocka_run_group_tests_name("batch", tests, NULL, NULL);
}
