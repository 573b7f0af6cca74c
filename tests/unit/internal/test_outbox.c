/* SPDX-License-Identifier: MIT */
/*
 * The outbox and its relay: who delivers what and when, what survives a restart, and what it costs when idle. All tests
 * but one have a time of their own, in which everything happens when it is due and not later.
 */
#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hex.h"
#include "database_fixture.h"
#include "ended_spans.h"
#include "outbox/couriers.h"
#include "outbox/outbox.h"
#include "span_attrs.h"
#include "virtual_clock.h"

#define TRACEPARENT "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

static struct database *database;

/* ---- the receiver ---- */

#define IDS 4096

static atomic_int tries[IDS], order[IDS], all_tries;
static atomic_bool receiver_is_dead;
static atomic_int poison_last;              /* messages 1..poison_last are never taken */
static _Atomic int64_t delivered_by_others; /* while another message is on its way */
static _Atomic int64_t last_attempts;
static _Atomic uint64_t receiver_takes_ns; /* for each */
static _Atomic uint64_t hangs_ns;          /* at message 1 */

static int open_store_in_real_time(void **state)
{
	make_dir(state);
	setenv("SCHEMA_DIR", "db/schema", 1);
	setenv("BUSY_TIMEOUT_MS", "5000", 1);
	database = database_open("orders");
	assert_non_null(database);
	receiver_is_dead = false;
	poison_last = 0;
	delivered_by_others = 0;
	receiver_takes_ns = hangs_ns = 0;
	keep_spans();
	return 0;
}

static int open_store(void **state)
{
	virtual_begin();
	return open_store_in_real_time(state);
}

static int close_store(void **state)
{
	outbox_stop();
	database_close(database);
	virtual_end();
	return remove_dir(state);
}

static bool receive(const struct outbox_message *message)
{
	assert(message->id > 0 && message->id < IDS);
	assert(message->payload_len == strlen(message->payload));
	order[all_tries++ % IDS] = (int)message->id;
	last_attempts = message->attempts;
	tries[message->id]++;
	if (delivered_by_others)
		outbox_delivered(delivered_by_others);
	uint64_t takes_ns = message->id == 1 && hangs_ns ? hangs_ns : receiver_takes_ns;
	if (takes_ns)
		clock_sleep_until(clock_monotonic_ns() + takes_ns);
	return !receiver_is_dead && message->id > poison_last;
}

TEL_GAUGE(pending_gauge, "order.outbox.pending", "{message}", "Stored messages that the receiver does not have yet.");
TEL_GAUGE(oldest_gauge, "order.outbox.oldest", "s", "Age of the oldest message that the receiver does not have yet.");

static const struct outbox outbox = {receive, "order.id", &pending_gauge, &oldest_gauge};

static void start(void)
{
	memset(tries, 0, sizeof(tries));
	all_tries = 0;
	assert_int_equal(outbox_start(database, &outbox), 0);
}

static int64_t pending(void)
{
	return number_of("orders", "SELECT count(*) FROM outbox WHERE delivered_at IS NULL");
}

/* ---- messages ---- */

DB_STATEMENT(insert_order, "INSERT", "orders",
	     "INSERT INTO orders (id, user_id, product, amount_cents, created_at)"
	     " VALUES (?1, 1, 'Tea', 990, '2026-11-22T12:30:00.000Z')");

static enum db_result add_job(struct db_connection *tx, void *arg)
{
	struct outbox_message *message = arg;
	struct db_query q;

	db_query(&q, tx, &insert_order);
	db_bind_int(&q, message->subject_id);
	enum db_result result = db_end(&q);
	return result == DB_OK ? outbox_add(tx, message) : result;
}

static struct outbox_message message_of(int64_t order_id)
{
	struct outbox_message message;

	outbox_message_init(&message);
	message.subject_id = order_id;
	message.payload_len = (size_t)sprintf(message.payload, "{\"order_id\":%d}", (int)order_id);
	return message;
}

/* As a request does it. Returns the row's id. */
static int64_t add(int64_t order_id)
{
	struct outbox_message message = message_of(order_id);

	assert_int_equal(db_write(database, &insert_order, add_job, &message), DB_OK);
	assert_true(message.id > 0);
	return message.id;
}

/* As a program that was killed has left it: rows first..last, stored a minute ago. */
static void add_old(int first, int last)
{
	char sql[600];

	snprintf(sql, sizeof(sql),
		 "WITH RECURSIVE n(i) AS (SELECT %d UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
		 " INSERT INTO orders SELECT i, 1, 'Tea', 990, 'created', '2026-11-22T12:30:00.000Z' FROM n;"
		 "INSERT INTO outbox (id, order_id, event_id, payload, traceparent, next_attempt_ms, created_at)"
		 " SELECT id, id, 'event-' || id, '{}', '" TRACEPARENT "', 1000 + id,"
		 " strftime('%%Y-%%m-%%dT%%H:%%M:%%fZ', 'now', '-60 seconds') FROM orders WHERE id BETWEEN %d AND %d",
		 first, last, first, last);
	run_outside("orders", sql);
}

/* ---- tests ---- */

static void test_messages_have_ids_of_their_own(void **state)
{
	struct outbox_message one = message_of(1), other = message_of(2);

	(void)state;
	assert_string_not_equal(one.event_id, other.event_id);
	assert_int_equal(strspn(one.event_id, "0123456789abcdef-"), 36);
	assert_true(one.event_id[8] == '-' && one.event_id[13] == '-' && one.event_id[18] == '-');
	assert_int_equal(one.event_id[14], '7');
	assert_non_null(strchr("89ab", one.event_id[19]));
	char *end, digits[13] = "";
	memcpy(digits, one.event_id, 8);
	memcpy(digits + 8, one.event_id + 9, 4);
	assert_in_range(strtoll(digits, &end, 16), db_now_ms() - 60000, db_now_ms());
	assert_int_equal(*end, '\0');
	assert_string_equal(one.traceparent, "");
	{
		TEL_SPAN(request, "request", TEL_SERVER);
		char hex[33] = "";
		struct outbox_message traced = message_of(3);
		hex_encode(tel_span_context(request).trace_id, 16, hex);
		assert_memory_equal(traced.traceparent + 3, hex, 32);
		hex_encode(tel_span_context(request).span_id, 8, hex);
		assert_memory_equal(traced.traceparent + 36, hex, 16);
	}
}

static void test_the_requests_own_try_is_marked_and_not_repeated(void **state)
{
	(void)state;
	start();
	int64_t id = add(1);
	assert_false(outbox_is_delivered(id));
	outbox_delivered(id);
	assert_true(outbox_is_delivered(id));
	VIRTUAL_UNTIL(pending() == 0, 3);
	assert_true(outbox_is_delivered(id)); /* for readers that see older rows */
	assert_int_equal(all_tries, 0);
	assert_int_equal(number_of("orders", "SELECT attempts FROM outbox"), 0);
}

static void test_a_failed_try_is_repeated(void **state)
{
	(void)state;
	start();
	int64_t id = add(1);
	outbox_retry(id);
	assert_false(outbox_is_delivered(id));
	VIRTUAL_UNTIL(tries[id] == 1, 4);
	assert_int_equal(last_attempts, 1);
	VIRTUAL_UNTIL(pending() == 0, 3);
	assert_int_equal(tries[id], 1);
}

static void test_a_row_is_left_to_its_request_at_first(void **state)
{
	(void)state;
	start();
	add_old(1, 1); /* makes the relay look */
	add(2);
	outbox_retry(999999); /* a row that is not there does no harm */
	VIRTUAL_UNTIL(tries[1] == 1, 3);
	virtual_pass(VIRTUAL_SECOND);
	assert_int_equal(all_tries, 1);
	assert_int_equal(pending(), 1);
}

static void test_what_a_killed_program_left_is_delivered_in_order(void **state)
{
	(void)state;
	add_old(1, 100);
	receiver_takes_ns = 10 * VIRTUAL_MS;
	start();
	VIRTUAL_UNTIL(pending() == 0, 10);
	assert_int_equal(all_tries, 100);
	for (int i = 0; i < 100; i++) /* those that begin at one time may do so in any order */
		assert_int_equal((order[i] - 1) / COURIERS, i / COURIERS);
	outbox_stop();
	start(); /* nothing is sent again */
	virtual_pass(3600 * VIRTUAL_SECOND);
	assert_int_equal(all_tries, 0);
}

static void test_stopping_stores_what_was_told(void **state)
{
	(void)state;
	start();
	int64_t delivered = add(1), failed = add(2);
	outbox_delivered(delivered);
	outbox_retry(failed);
	outbox_stop();
	assert_int_equal(number_of("orders", "SELECT count(*) FROM outbox WHERE id = 1 AND delivered_at IS NOT NULL"),
			 1);
	assert_int_equal(number_of("orders", "SELECT attempts FROM outbox WHERE id = 2"), 1);
	outbox_stop(); /* a second time does nothing */
}

static void test_one_bad_message_holds_up_no_other(void **state)
{
	(void)state;
	add_old(1, 50);
	poison_last = 1;
	start();
	VIRTUAL_UNTIL(pending() == 1, 10);
	assert_true(tries[1] >= 1 && tries[1] <= 3);
	assert_int_equal(number_of("orders", "SELECT sum(attempts) FROM outbox WHERE id > 1"), 0);
	poison_last = 0;
	VIRTUAL_UNTIL(pending() == 0, 10);
}

static void test_bad_messages_take_turns_with_good_ones(void **state)
{
	(void)state;
	add_old(1, 20);
	poison_last = 19;
	start();
	VIRTUAL_UNTIL(tries[20] == 1, 25);
	for (int i = 1; i < 20; i++)
		assert_true(tries[i] >= 1);
}

static void test_what_a_request_has_delivered_meanwhile_is_left_out(void **state)
{
	(void)state;
	add_old(1, 40);
	delivered_by_others = 30; /* as soon as the first is on its way */
	start();
	VIRTUAL_UNTIL(pending() == 0, 5);
	for (int i = 1; i <= 40; i++)
		assert_int_equal(tries[i], i != 30);
}

static void test_a_dead_receiver_is_not_stormed(void **state)
{
	(void)state;
	add_old(1, 500);
	receiver_is_dead = true;
	start();
	virtual_settle();
	int at_once = all_tries; /* as many as it takes to know, and those on their way meanwhile */
	assert_in_range(at_once, 3, 3 + COURIERS - 1);
	virtual_pass(2500 * VIRTUAL_MS);
	assert_int_equal(all_tries, at_once + 2); /* one a second */
	assert_int_equal(pending(), 500);
	receiver_is_dead = false;
	VIRTUAL_UNTIL(pending() == 0, 15); /* not 500 s */
}

static void test_a_request_that_succeeds_wakes_the_relay(void **state)
{
	(void)state;
	add_old(1, 20);
	receiver_is_dead = true;
	start();
	VIRTUAL_UNTIL(all_tries >= 3, 3);
	receiver_is_dead = false;
	outbox_delivered(add(1000));
	VIRTUAL_UNTIL(pending() <= 3 + COURIERS, 5); /* those that failed wait for their turn */
	VIRTUAL_UNTIL(pending() == 0, 5);
}

/* One more failure of row 1 puts it off by min_ms..max_ms. */
static void check_backoff(int attempts, int min_ms, int max_ms)
{
	char sql[100];

	snprintf(sql, sizeof(sql), "UPDATE outbox SET attempts = %d, next_attempt_ms = 1", attempts);
	run_outside("orders", sql);
	int64_t before = db_now_ms();
	start();
	VIRTUAL_UNTIL(number_of("orders", "SELECT attempts FROM outbox") == attempts + 1, 5);
	int64_t next = number_of("orders", "SELECT next_attempt_ms FROM outbox");
	assert_in_range(next, before + min_ms, db_now_ms() + max_ms);
	outbox_stop();
}

/* More than the couriers' queue holds: it is filled again before it is empty. */
static void test_a_backlog_is_delivered_by_several_at_a_time(void **state)
{
	(void)state;
	add_old(1, 2000);
	receiver_takes_ns = 10 * VIRTUAL_MS;
	uint64_t start_ns = clock_monotonic_ns();
	start();
	VIRTUAL_UNTIL(pending() == 0, 60);
	assert_int_equal(all_tries, 2000);
	for (int i = 1; i <= 2000; i++)
		assert_int_equal(tries[i], 1);
	assert_in_range(clock_monotonic_ns() - start_ns, 5 * VIRTUAL_SECOND, 6 * VIRTUAL_SECOND); /* not 20 */
}

static void test_a_message_that_hangs_holds_up_no_other(void **state)
{
	(void)state;
	add_old(1, 600);
	hangs_ns = 20 * VIRTUAL_SECOND; /* message 1 */
	start();
	VIRTUAL_UNTIL(pending() == 1, 5);
	assert_int_equal(tries[1], 1);
	assert_true(metric("order_outbox_pending") == 1);
	VIRTUAL_UNTIL(pending() == 0, 25);
	assert_int_equal(tries[1], 1); /* nobody else has taken it meanwhile */
}

static void test_stopping_stores_what_was_delivered_though_one_hangs(void **state)
{
	(void)state;
	add_old(1, 50);
	hangs_ns = 20 * VIRTUAL_SECOND;
	start();
	virtual_pass(100 * VIRTUAL_MS); /* less than outcomes wait for company */
	uint64_t start_ns = clock_monotonic_ns();
	outbox_stop();
	assert_true(clock_monotonic_ns() - start_ns >= 19 * VIRTUAL_SECOND); /* a program ends without waiting for it */
	assert_int_equal(pending(), 0);
}

static void test_backoff_grows(void **state)
{
	(void)state;
	receiver_is_dead = true;
	add_old(1, 1);
	check_backoff(3, 4000, 8000);
	check_backoff(1000000, 15000, 30000);
}

static void test_a_clock_that_was_ahead(void **state)
{
	(void)state;
	add_old(1, 1);
	run_outside("orders", "UPDATE outbox SET next_attempt_ms = 9000000000000");
	start();
	VIRTUAL_UNTIL(number_of("orders", "SELECT next_attempt_ms FROM outbox") <= db_now_ms() + 30000, 5);
}

#define DAY_NS (UINT64_C(86400) * VIRTUAL_SECOND)

/* Ahead, back, and back again: waits and ages go on as if nobody had touched the clock. */
static void test_a_clock_that_is_set(void **state)
{
	static const int64_t moves[] = {(int64_t)DAY_NS, -2 * (int64_t)DAY_NS, -20000 * (int64_t)DAY_NS};

	(void)state;
	receiver_is_dead = true;
	start();
	for (int i = 0; i < 3; i++) {
		int64_t id = add(i + 1);
		outbox_retry(id);
		virtual_pass(10 * VIRTUAL_SECOND);
		virtual_move_wall_clock(moves[i]);
		double age = metric("order_outbox_oldest_seconds");
		assert_true(age > 9 && age < 11);
		int before = tries[id];
		virtual_pass(60 * VIRTUAL_SECOND); /* the longest wait is half a minute */
		assert_true(tries[id] > before);
		receiver_is_dead = false;
		VIRTUAL_UNTIL(pending() == 0, 35);
		receiver_is_dead = true;
	}
}

/* The age of the one message, when the program stops for a second and the clock is moved meanwhile. */
static double age_after_stop(int64_t move_ns)
{
	outbox_stop();
	database_close(database);
	virtual_move_wall_clock(move_ns);
	virtual_pass(VIRTUAL_SECOND);
	database = database_open("orders");
	assert_non_null(database);
	start();
	virtual_settle();
	return metric("order_outbox_oldest_seconds");
}

static void test_a_clock_that_is_set_while_the_program_is_stopped(void **state)
{
	double age;

	(void)state;
	receiver_is_dead = true;
	start();
	add(1);
	virtual_pass(10 * VIRTUAL_SECOND);
	age = age_after_stop(0);
	assert_true(age > 10.9 && age < 12);
	age = age_after_stop(-(int64_t)DAY_NS); /* as if it had not stopped */
	assert_true(age > 10.9 && age < 12);
	age = age_after_stop((int64_t)DAY_NS); /* an hour at most */
	assert_true(age > 3600 && age < 3620);
	receiver_is_dead = false;
	VIRTUAL_UNTIL(pending() == 0, 35);
}

/* It has had no time to keep the clock, which was set ahead before it started. */
static void test_rows_of_the_future_are_bounded_at_the_start(void **state)
{
	(void)state;
	add_old(1, 2);
	receiver_is_dead = true;
	run_outside("orders", "UPDATE outbox SET created_at = '2090-01-01T00:00:00.000Z';"
			      "INSERT INTO idempotency VALUES ('k', 1, '2090-01-01T00:00:00.000Z')");
	start();
	virtual_settle();
	virtual_pass(10 * VIRTUAL_SECOND);
	double age = metric("order_outbox_oldest_seconds");
	assert_true(age >= 9 && age < 12);
	assert_int_equal(number_of("orders", "SELECT count(*) FROM idempotency WHERE created_at < '2090'"), 1);
}

static void test_a_delivery_is_a_trace_linked_to_the_request(void **state)
{
	(void)state;
	add_old(1, 1);
	start();
	VIRTUAL_UNTIL(pending() == 0, 5);
	outbox_stop();
	assert_int_equal(ended_count, 1); /* none of the relay's own database operations */

	const struct span *span = &ended[0];
	static const uint8_t none[8];
	uint8_t ids[24];
	assert_true(hex_decode("0af7651916cd43dd8448eb211c80319c", 16, ids));
	assert_true(hex_decode("b7ad6b7169203331", 8, ids + 16));
	assert_memory_equal(span->parent_span_id, none, 8);
	assert_memory_not_equal(span->trace_id, ids, 16);
	assert_true(span_links(span, ids));
	assert_int_equal(span->status, SPAN_UNSET);
}

static void test_old_rows_and_keys_are_forgotten(void **state)
{
	(void)state;
	add_old(1, 1200);
	run_outside(
		"orders",
		"UPDATE outbox SET delivered_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-25 hours') WHERE id <= 1100;"
		"UPDATE outbox SET delivered_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-23 hours') WHERE id = 1101;"
		"INSERT INTO idempotency VALUES"
		" ('old', 1, strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-25 hours')),"
		" ('young', 2, strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-23 hours'))");
	start();
	VIRTUAL_UNTIL(number_of("orders", "SELECT count(*) FROM outbox") == 100, 10);
	assert_int_equal(number_of("orders", "SELECT count(*) FROM outbox WHERE id = 1101"), 1);
	VIRTUAL_UNTIL(number_of("orders", "SELECT count(*) FROM idempotency") == 1, 5);
	assert_int_equal(number_of("orders", "SELECT count(*) FROM idempotency WHERE key = 'young'"), 1);
	assert_int_equal(number_of("orders", "SELECT count(*) FROM orders"), 1200);
}

static void test_what_grows_old_is_forgotten_within_the_hour(void **state)
{
	(void)state;
	add_old(1, 1);
	run_outside("orders", "UPDATE outbox SET delivered_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-23.5 hours');"
			      "INSERT INTO idempotency VALUES"
			      " ('a', 1, strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-23.5 hours')),"
			      " ('b', 2, strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-22.5 hours'))");
	start();
	virtual_pass(3599 * VIRTUAL_SECOND);
	assert_int_equal(number_of("orders", "SELECT count(*) FROM outbox"), 1);
	assert_int_equal(number_of("orders", "SELECT count(*) FROM idempotency"), 2);
	virtual_pass(VIRTUAL_SECOND);
	assert_int_equal(number_of("orders", "SELECT count(*) FROM outbox"), 0);
	assert_int_equal(number_of("orders", "SELECT count(*) FROM idempotency WHERE key = 'b'"), 1);
	virtual_pass(3600 * VIRTUAL_SECOND);
	assert_int_equal(number_of("orders", "SELECT count(*) FROM idempotency"), 0);
}

static void test_in_real_time_too(void **state)
{
	(void)state;
	start();
	int64_t delivered = add(1), failed = add(2);
	outbox_delivered(delivered); /* waits for company */
	outbox_retry(failed);        /* waits for its next turn */
	WAIT_UNTIL(pending() == 0, 5);
	assert_int_equal(all_tries, 1);
}

static void test_gauges(void **state)
{
	(void)state;
	receiver_is_dead = true;
	start();
	assert_true(metric("order_outbox_pending") == 0);
	assert_true(metric("order_outbox_oldest_seconds") == 0);
	add_old(1, 7);
	assert_true(metric("order_outbox_pending") == 7);
	assert_true(metric("order_outbox_oldest_seconds") >= 59 && metric("order_outbox_oldest_seconds") < 90);
	for (int id = 1; id <= 7; id++)
		outbox_delivered(id);
	assert_true(metric("order_outbox_pending") == 0); /* at once, though the rows are marked later */
	outbox_stop();
	metric("order_outbox_pending"); /* a scrape after the end is harmless */
}

static double operations(const char *operation)
{
	char series[160];

	snprintf(series, sizeof(series),
		 "db_client_operation_duration_seconds_count{db_operation_name=\"%s\",db_collection_name=\"outbox\"}",
		 operation);
	return metric(series);
}

static void test_an_idle_relay_does_nothing(void **state)
{
	(void)state;
	start();
	outbox_delivered(add(1));
	VIRTUAL_UNTIL(pending() == 0, 5);
	virtual_pass(VIRTUAL_SECOND);
	double updates = operations("UPDATE"), deletes = operations("DELETE"), selects = operations("SELECT");
	virtual_pass(3000 * VIRTUAL_SECOND); /* old rows are looked for every hour */
	assert_true(operations("UPDATE") == updates);
	assert_true(operations("DELETE") == deletes);
	assert_true(operations("SELECT") == selects + 3); /* one a scrape: three of them were above */
}

static void *tell_many(void *arg)
{
	intptr_t thread = (intptr_t)arg;

	for (int i = 0; i < 10000; i++) {
		outbox_delivered(thread * 10000 + i + 1);
		outbox_is_delivered(i);
	}
	return NULL;
}

static void test_more_outcomes_than_there_is_room_for(void **state)
{
	pthread_t threads[4];

	(void)state;
	start();
	for (intptr_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, tell_many, (void *)i), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	outbox_stop();
	start();
	int64_t id = add(1);
	assert_false(outbox_is_delivered(id)); /* nothing of before is remembered */
	outbox_delivered(id);
	VIRTUAL_UNTIL(pending() == 0, 5);
}

int main(void)
{
#define OUTBOX_TEST(f) cmocka_unit_test_setup_teardown(f, open_store, close_store)
	const struct CMUnitTest tests[] = {
		OUTBOX_TEST(test_messages_have_ids_of_their_own),
		OUTBOX_TEST(test_the_requests_own_try_is_marked_and_not_repeated),
		OUTBOX_TEST(test_a_failed_try_is_repeated),
		OUTBOX_TEST(test_a_row_is_left_to_its_request_at_first),
		OUTBOX_TEST(test_what_a_killed_program_left_is_delivered_in_order),
		OUTBOX_TEST(test_stopping_stores_what_was_told),
		OUTBOX_TEST(test_one_bad_message_holds_up_no_other),
		OUTBOX_TEST(test_bad_messages_take_turns_with_good_ones),
		OUTBOX_TEST(test_what_a_request_has_delivered_meanwhile_is_left_out),
		OUTBOX_TEST(test_a_dead_receiver_is_not_stormed),
		OUTBOX_TEST(test_a_request_that_succeeds_wakes_the_relay),
		OUTBOX_TEST(test_a_backlog_is_delivered_by_several_at_a_time),
		OUTBOX_TEST(test_a_message_that_hangs_holds_up_no_other),
		OUTBOX_TEST(test_stopping_stores_what_was_delivered_though_one_hangs),
		OUTBOX_TEST(test_backoff_grows),
		OUTBOX_TEST(test_a_clock_that_was_ahead),
		OUTBOX_TEST(test_a_clock_that_is_set),
		OUTBOX_TEST(test_a_clock_that_is_set_while_the_program_is_stopped),
		OUTBOX_TEST(test_rows_of_the_future_are_bounded_at_the_start),
		OUTBOX_TEST(test_a_delivery_is_a_trace_linked_to_the_request),
		OUTBOX_TEST(test_old_rows_and_keys_are_forgotten),
		OUTBOX_TEST(test_what_grows_old_is_forgotten_within_the_hour),
		cmocka_unit_test_setup_teardown(test_in_real_time_too, open_store_in_real_time, close_store),
		OUTBOX_TEST(test_gauges),
		OUTBOX_TEST(test_an_idle_relay_does_nothing),
		OUTBOX_TEST(test_more_outcomes_than_there_is_room_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
