/* SPDX-License-Identifier: MIT */
/* The bounded queue of finished spans. */
#include "cmocka_all.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "tel/src/queue.h"
#include "tel/src/span.h"
#include "virtual_clock.h"

static struct queue queue;

/* A span that carries a number, `bytes` of data that follow from it, and a tracestate now and then. */
static struct span numbered_span(uint64_t number, uint32_t bytes)
{
	static const char *const tracestates[] = {NULL, "a=1", "vendor=some-longer-text"};
	struct span span = {.start_ns = number, .used = bytes, .tracestate = tracestates[number % 3], .baggage = "x"};

	memset(span.data, (int)(number & 0xff), bytes);
	return span;
}

static void assert_numbered(const struct span *span, uint64_t number, uint32_t bytes)
{
	struct span want = numbered_span(number, bytes);

	assert_int_equal(span->start_ns, number);
	assert_int_equal(span->used, bytes);
	assert_memory_equal(span->data, want.data, bytes);
	assert_null(span->baggage);
	if (want.tracestate)
		assert_string_equal(span->tracestate, want.tracestate);
	else
		assert_null(span->tracestate);
}

static void spans_come_out_as_they_went_in(void **state)
{
	struct queue_reader reader;
	uint64_t in = 0, out = 0;

	(void)state;
	assert_int_equal(queue_init(&queue, 100, 50), 0);
	/* rounds of many sizes go around the ring many times */
	for (int round = 0; round < 2000; round++) {
		int count = round % 37;
		for (int i = 0; i < count; i++, in++) {
			struct span span = numbered_span(in, (uint32_t)(in * 8 % (SPAN_DATA_BYTES + 8)));
			if (queue_push(&queue, &span))
				break;
		}
		queue_read(&queue, &reader);
		const struct span *span;
		for (int i = 0; i < round % 23 && (span = queue_peek(&queue, &reader)); i++, out++) {
			assert_numbered(span, out, (uint32_t)(out * 8 % (SPAN_DATA_BYTES + 8)));
			assert_ptr_equal(queue_peek(&queue, &reader), span);
			queue_advance(&queue, &reader);
		}
		queue_release(&queue, &reader);
		assert_int_equal(queue_count(&queue), in - out);
	}
	assert_true(out > 10000);
	queue_done(&queue);
}

static void full_is_full(void **state)
{
	struct queue_reader reader;
	struct span small = numbered_span(3, 0);

	(void)state;
	assert_int_equal(queue_init(&queue, 10, 5), 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(queue_push(&queue, &small), 0);
	assert_int_equal(queue_push(&queue, &small), -ENOBUFS);
	assert_int_equal(queue_count(&queue), 10);
	queue_read(&queue, &reader);
	assert_non_null(queue_peek(&queue, &reader));
	assert_int_equal(queue_push(&queue, &small), -ENOBUFS); /* read is not released */
	queue_advance(&queue, &reader);
	queue_release(&queue, &reader);
	assert_int_equal(queue_push(&queue, &small), 0);
	queue_done(&queue);
}

static void large_spans_fill_the_bytes_first(void **state)
{
	struct span large = numbered_span(2, SPAN_DATA_BYTES), small = numbered_span(0, 0);
	size_t pushed = 0;

	(void)state;
	assert_int_equal(queue_init(&queue, 1000, 900), 0);
	while (queue_push(&queue, &large) == 0)
		pushed++;
	assert_in_range(pushed, 200, 500);
	/* nobody may wait for 900 spans that never fit */
	assert_false(queue_wait(&queue, CLOCK_NEVER, true));
	assert_int_equal(queue_push(&queue, &large), -ENOBUFS);
	assert_int_equal(queue_count(&queue), pushed);
	while (queue_push(&queue, &small) == 0)
		pushed++;

	struct queue_reader reader;
	queue_read(&queue, &reader);
	while (queue_peek(&queue, &reader))
		queue_advance(&queue, &reader);
	assert_int_equal(reader.read, pushed);
	queue_release(&queue, &reader);
	assert_int_equal(queue_count(&queue), 0);
	assert_int_equal(queue_push(&queue, &large), 0);
	queue_done(&queue);
}

static void closed_takes_nothing_and_keeps_what_it_has(void **state)
{
	struct span span = numbered_span(0, 0);
	struct queue_reader reader;

	(void)state;
	assert_int_equal(queue_init(&queue, 10, 5), 0);
	assert_int_equal(queue_push(&queue, &span), 0);
	queue_close(&queue);
	assert_int_equal(queue_push(&queue, &span), -ESHUTDOWN);
	assert_true(queue_wait(&queue, CLOCK_NEVER, true));
	assert_true(queue_wait(&queue, CLOCK_NEVER, false));
	queue_read(&queue, &reader);
	assert_non_null(queue_peek(&queue, &reader));
	queue_done(&queue);
}

/* ---- waiting ---- */

static void push_after_a_while(void *count)
{
	struct span span = numbered_span(0, 0);

	clock_sleep_until(clock_monotonic_ns() + 50 * VIRTUAL_MS);
	for (int i = 0; i < *(int *)count; i++)
		queue_push(&queue, &span);
}

static void close_after_a_while(void *unused)
{
	(void)unused;
	clock_sleep_until(clock_monotonic_ns() + 50 * VIRTUAL_MS);
	queue_close(&queue);
}

/* Milliseconds that a wait took while a thread did something. */
static uint64_t wait_ms(void (*run)(void *), int *count, unsigned limit_ms, bool until_due, bool closed)
{
	struct thread other = THREAD_INITIALIZER;
	uint64_t begin_ns = clock_monotonic_ns();

	assert_int_equal(thread_start(&other, "other", run, count), 0);
	assert_int_equal(queue_wait(&queue, begin_ns + limit_ms * VIRTUAL_MS, until_due), closed);
	uint64_t took_ms = (clock_monotonic_ns() - begin_ns) / VIRTUAL_MS;
	assert_true(thread_stop(&other, CLOCK_NEVER));
	return took_ms;
}

static void a_batch_or_the_end_wakes(void **state)
{
	(void)state;
	virtual_begin();
	assert_int_equal(queue_init(&queue, 10, 5), 0);
	assert_int_equal(wait_ms(push_after_a_while, &(int){4}, 200, true, false), 200);
	assert_int_equal(wait_ms(push_after_a_while, &(int){1}, 60000, true, false), 50);
	assert_int_equal(wait_ms(push_after_a_while, &(int){1}, 200, false, false), 200);
	assert_int_equal(wait_ms(close_after_a_while, NULL, 60000, false, true), 50);
	queue_done(&queue);
	virtual_end();
}

/* ---- threads ---- */

#define WRITERS 8
#define SPANS_EACH 20000

static atomic_ulong refused;

/* start_ns is the writer, end_ns its number. */
static void *write_spans(void *writer)
{
	for (uint64_t i = 0; i < SPANS_EACH; i++) {
		uint32_t bytes = (uint32_t)(i * 16 % 512);
		struct span span = {.start_ns = (uintptr_t)writer, .end_ns = i, .used = bytes};
		memset(span.data, (int)i, bytes);
		if (queue_push(&queue, &span))
			atomic_fetch_add(&refused, 1);
	}
	return NULL;
}

static void check_order(const struct span *span, uint64_t *next)
{
	assert_in_range(span->start_ns, 1, WRITERS);
	assert_true(span->end_ns >= next[span->start_ns - 1]);
	next[span->start_ns - 1] = span->end_ns + 1;
	assert_int_equal(span->used, span->end_ns * 16 % 512);
	for (uint32_t i = 0; i < span->used; i++)
		if (span->data[i] != (char)span->end_ns)
			fail_msg("byte %u is of another span", i);
}

static void many_writers_one_reader(void **state)
{
	pthread_t writers[WRITERS];
	uint64_t next[WRITERS] = {0};
	size_t read = 0;

	(void)state;
	assert_int_equal(queue_init(&queue, 256, 64), 0);
	for (uintptr_t i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_create(&writers[i], NULL, write_spans, (void *)(i + 1)), 0);
	while (read + atomic_load(&refused) < WRITERS * SPANS_EACH) {
		struct queue_reader reader;
		const struct span *span;
		queue_wait(&queue, clock_monotonic_ns() + VIRTUAL_MS, true);
		queue_read(&queue, &reader);
		for (; (span = queue_peek(&queue, &reader)); queue_advance(&queue, &reader))
			check_order(span, next);
		read += reader.read;
		queue_release(&queue, &reader);
	}
	for (int i = 0; i < WRITERS; i++)
		pthread_join(writers[i], NULL);
	assert_int_equal(read + atomic_load(&refused), WRITERS * SPANS_EACH);
	assert_true(read > 0);
	assert_int_equal(queue_count(&queue), 0);
	queue_done(&queue);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spans_come_out_as_they_went_in),
		cmocka_unit_test(full_is_full),
		cmocka_unit_test(large_spans_fill_the_bytes_first),
		cmocka_unit_test(closed_takes_nothing_and_keeps_what_it_has),
		cmocka_unit_test(a_batch_or_the_end_wakes),
		cmocka_unit_test(many_writers_one_reader),
	};

	return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
