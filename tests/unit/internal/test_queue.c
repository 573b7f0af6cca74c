/* SPDX-License-Identifier: MIT */
/* The bounded queue of records. */
#include "cmocka_all.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/thread.h"
#include "tel/src/queue.h"
#include "virtual_clock.h"

static struct queue queue;

#define DATA_MAX 2100

/* A record is a number and up to DATA_MAX bytes that follow from it. */
static int push_numbered(uint64_t number, size_t bytes)
{
	char data[DATA_MAX];
	const struct slice parts[] = {{(const char *)&number, sizeof(number)}, {NULL, 0}, {data, bytes}};

	memset(data, (int)(number & 0xff), bytes);
	return queue_push(&queue, parts, 3);
}

static uint64_t number_of(const void *record)
{
	uint64_t number;

	memcpy(&number, record, sizeof(number));
	return number;
}

static void assert_numbered(const char *record, size_t bytes, uint64_t number, size_t wanted_bytes)
{
	assert_int_equal((uintptr_t)record % 8, 0);
	assert_int_equal(bytes, sizeof(number) + wanted_bytes);
	assert_int_equal(number_of(record), number);
	for (size_t i = 0; i < wanted_bytes; i++)
		if (record[sizeof(number) + i] != (char)number)
			fail_msg("byte %zu is of another record", i);
}

static void records_come_out_as_they_went_in(void **state)
{
	struct queue_reader reader;
	uint64_t in = 0, out = 0;

	(void)state;
	assert_int_equal(queue_init(&queue, 100, 50), 0);
	/* rounds of many sizes go around the ring many times */
	for (int round = 0; round < 2000; round++) {
		int count = round % 37;
		for (int i = 0; i < count; i++, in++) {
			if (push_numbered(in, in * 7 % DATA_MAX))
				break;
		}
		queue_read(&queue, &reader);
		void *record;
		size_t bytes;
		for (int i = 0; i < round % 23 && (record = queue_peek(&queue, &reader, &bytes)); i++, out++) {
			assert_numbered(record, bytes, out, out * 7 % DATA_MAX);
			assert_ptr_equal(queue_peek(&queue, &reader, &bytes), record);
			queue_advance(&queue, &reader);
		}
		queue_release(&queue, &reader);
		assert_int_equal(queue_count(&queue), in - out);
		assert_int_equal(queue_pushed(&queue), in);
	}
	assert_true(out > 10000);
	queue_done(&queue);
}

static void full_is_full(void **state)
{
	struct queue_reader reader;
	size_t bytes;

	(void)state;
	assert_int_equal(queue_init(&queue, 10, 5), 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(push_numbered(0, 0), 0);
	assert_int_equal(push_numbered(0, 0), -ENOBUFS);
	assert_int_equal(queue_count(&queue), 10);
	queue_read(&queue, &reader);
	assert_non_null(queue_peek(&queue, &reader, &bytes));
	assert_int_equal(push_numbered(0, 0), -ENOBUFS); /* read is not released */
	queue_advance(&queue, &reader);
	queue_release(&queue, &reader);
	assert_int_equal(push_numbered(0, 0), 0);
	queue_done(&queue);
}

static void large_records_fill_the_bytes_first(void **state)
{
	size_t pushed = 0, bytes;

	(void)state;
	assert_int_equal(queue_init(&queue, 1000, 900), 0);
	while (push_numbered(2, DATA_MAX) == 0)
		pushed++;
	assert_in_range(pushed, 200, 500);
	/* nobody may wait for 900 records that never fit */
	assert_false(queue_wait(&queue, CLOCK_NEVER, true));
	assert_int_equal(push_numbered(2, DATA_MAX), -ENOBUFS);
	assert_int_equal(queue_count(&queue), pushed);
	while (push_numbered(0, 0) == 0)
		pushed++;

	struct queue_reader reader;
	queue_read(&queue, &reader);
	while (queue_peek(&queue, &reader, &bytes))
		queue_advance(&queue, &reader);
	assert_int_equal(reader.read, pushed);
	queue_release(&queue, &reader);
	assert_int_equal(queue_count(&queue), 0);
	assert_int_equal(push_numbered(2, DATA_MAX), 0);
	queue_done(&queue);
}

static void closed_takes_nothing_and_keeps_what_it_has(void **state)
{
	struct queue_reader reader;
	size_t bytes;

	(void)state;
	assert_int_equal(queue_init(&queue, 10, 5), 0);
	assert_int_equal(push_numbered(0, 0), 0);
	queue_close(&queue);
	assert_int_equal(push_numbered(0, 0), -ESHUTDOWN);
	assert_true(queue_wait(&queue, CLOCK_NEVER, true));
	assert_true(queue_wait(&queue, CLOCK_NEVER, false));
	queue_read(&queue, &reader);
	assert_non_null(queue_peek(&queue, &reader, &bytes));
	queue_done(&queue);
}

/* ---- waiting ---- */

static void push_after_a_while(void *count)
{

	clock_sleep_until(clock_monotonic_ns() + 50 * VIRTUAL_MS);
	for (int i = 0; i < *(int *)count; i++)
		push_numbered(0, 0);
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
#define RECORDS_EACH 20000

static atomic_ulong refused;

/* The writer is in the upper half of a record's number. */
static void *write_records(void *writer)
{
	for (uint64_t i = 0; i < RECORDS_EACH; i++)
		if (push_numbered((uint64_t)(uintptr_t)writer << 32 | i, i * 16 % 512))
			atomic_fetch_add(&refused, 1);
	return NULL;
}

static void check_order(const void *record, size_t bytes, uint64_t *next)
{
	uint64_t number = number_of(record), writer = number >> 32, i = number & UINT32_MAX;

	assert_in_range(writer, 1, WRITERS);
	assert_true(i >= next[writer - 1]);
	next[writer - 1] = i + 1;
	assert_numbered(record, bytes, number, i * 16 % 512);
}

static void many_writers_one_reader(void **state)
{
	pthread_t writers[WRITERS];
	uint64_t next[WRITERS] = {0};
	size_t read = 0;

	(void)state;
	assert_int_equal(queue_init(&queue, 256, 64), 0);
	for (uintptr_t i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_create(&writers[i], NULL, write_records, (void *)(i + 1)), 0);
	while (read + atomic_load(&refused) < WRITERS * RECORDS_EACH) {
		struct queue_reader reader;
		size_t bytes;
		void *record;
		queue_wait(&queue, clock_monotonic_ns() + VIRTUAL_MS, true);
		queue_read(&queue, &reader);
		for (; (record = queue_peek(&queue, &reader, &bytes)); queue_advance(&queue, &reader))
			check_order(record, bytes, next);
		read += reader.read;
		queue_release(&queue, &reader);
	}
	for (int i = 0; i < WRITERS; i++)
		pthread_join(writers[i], NULL);
	assert_int_equal(read + atomic_load(&refused), WRITERS * RECORDS_EACH);
	assert_true(read > 0);
	assert_int_equal(queue_count(&queue), 0);
	queue_done(&queue);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_come_out_as_they_went_in),
		cmocka_unit_test(full_is_full),
		cmocka_unit_test(large_records_fill_the_bytes_first),
		cmocka_unit_test(closed_takes_nothing_and_keeps_what_it_has),
		cmocka_unit_test(a_batch_or_the_end_wakes),
		cmocka_unit_test(many_writers_one_reader),
	};

	return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
