/* SPDX-License-Identifier: MIT */
/* The write-ahead log: readers that come and go, one that stays, and how the log becomes short again. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "database/parts.h"
#include "database_fixture.h"

static const char schema[] = "-- step 1: rows\nCREATE TABLE rows (id INTEGER PRIMARY KEY, text BLOB) STRICT;\n";

DB_STATEMENT(insert_row, "INSERT", "rows", "INSERT INTO rows (text) VALUES (zeroblob(400000))"); /* a hundred pages */

static struct database *database;

static int open_store(void **state)
{
	make_dir(state);
	write_file("rows.sql", schema);
	database = database_open("rows");
	assert_non_null(database);
	return 0;
}

static int close_store(void **state)
{
	database_close(database);
	return remove_dir(state);
}

static enum db_result insert(struct db_connection *tx, void *arg)
{
	struct db_query q;

	(void)arg;
	db_query(&q, tx, &insert_row);
	return db_end(&q);
}

/* From here on nobody else works on the log: neither a write nor the watch. */
static void begin_leading(void)
{
	for (bool free = false; !free;) {
		pthread_mutex_lock(&database->writer.lock);
		free = !database->writer.leading;
		database->writer.leading = true;
		pthread_mutex_unlock(&database->writer.lock);
	}
}

static void end_leading(void)
{
	pthread_mutex_lock(&database->writer.lock);
	database->writer.leading = false;
	pthread_mutex_unlock(&database->writer.lock);
}

static uint64_t next_start_ns(void)
{
	begin_leading();
	uint64_t next_ns = database->writer.wal.next_start_ns;
	end_leading();
	return next_ns;
}

/* At least so many. */
static void write_pages(int pages)
{
	for (int i = 0; i < pages; i += 100)
		assert_int_equal(db_write(database, &insert_row, insert, NULL), DB_OK);
}

static int64_t log_bytes(void)
{
	struct stat status;
	char path[600];

	snprintf(path, sizeof(path), "%s-wal", database_path("rows"));
	assert_int_equal(stat(path, &status), 0);
	return status.st_size;
}

/* Another process, as it were, that reads what is there now until it is closed. */
static sqlite3 *begin_reading(void)
{
	sqlite3 *reader = open_outside("rows");

	assert_int_equal(sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM rows", NULL, NULL, NULL), SQLITE_OK);
	return reader;
}

static void test_the_log_stays_short(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++) {
		write_pages(2 * WAL_PAGES_DUE);
		assert_true(database->writer.wal.pages <= WAL_PAGES_DUE + 200);
		assert_true(log_bytes() <= WAL_LIMIT_BYTES);
	}
	assert_true(metric("db_wal_pinned_seconds{db_namespace=\"rows\"}") == 0);
}

static atomic_bool stop_reading;

static void *read_again_and_again(void *path)
{
	intptr_t failed = 0;

	while (!stop_reading) {
		sqlite3 *reader;
		failed += sqlite3_open(path, &reader) != SQLITE_OK;
		sqlite3_busy_timeout(reader, 5000);
		failed += sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM rows", NULL, NULL, NULL) != SQLITE_OK;
		nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
		sqlite3_close(reader);
	}
	return (void *)failed;
}

/* There is always one in the log, so it never starts over by itself. */
static void test_overlapping_readers_do_not_let_it_grow(void **state)
{
	pthread_t readers[4];
	int started_over = 0, longest = 0;
	char path[600];
	void *failed;

	(void)state;
	stop_reading = false;
	snprintf(path, sizeof(path), "%s", database_path("rows"));
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, read_again_and_again, path), 0);
	for (uint64_t start_ns = clock_monotonic_ns();
	     started_over < 2 && clock_monotonic_ns() - start_ns < 60000000000;) {
		int before = database->writer.wal.pages;
		write_pages(WAL_PAGES_DUE / 2);
		started_over += database->writer.wal.pages < before && before >= WAL_PAGES_LONG;
		longest = before > longest ? before : longest;
		nanosleep(&(struct timespec){.tv_nsec = 30000000}, NULL);
	}
	stop_reading = true;
	for (int i = 0; i < 4; i++) {
		pthread_join(readers[i], &failed);
		assert_null(failed);
	}
	print_message("%d pages at most\n", longest);
	assert_int_equal(started_over, 2);
}

static void test_a_reader_that_stays_is_told_and_then_it_is_short_again(void **state)
{
	sqlite3 *reader;

	(void)state;
	write_pages(100);
	reader = begin_reading();
	write_pages(3 * WAL_PAGES_LONG);
	assert_true(database->writer.wal.pages >= 3 * WAL_PAGES_LONG); /* cannot start over */
	assert_true(database->writer.wal.held_since_ns > 0);
	WAIT_UNTIL(metric("db_wal_pinned_seconds{db_namespace=\"rows\"}") > 0, 10);
	WAIT_UNTIL(metric("db_wal_size_bytes{db_namespace=\"rows\"}") > 3.0 * WAL_PAGES_LONG * 4096, 10);

	uint64_t since_ns = database->writer.wal.held_since_ns;
	write_pages(2 * WAL_PAGES_DUE);
	assert_true(database->writer.wal.held_since_ns == since_ns); /* the same reader still */
	uint64_t next_ns = next_start_ns();
	WAIT_UNTIL(clock_monotonic_ns() > since_ns + 2000000000, 10);
	write_pages(2 * WAL_PAGES_DUE);
	assert_true(next_start_ns() == next_ns); /* nobody waits for one that stays */

	sqlite3_close(reader);
	WAIT_UNTIL(log_bytes() <= WAL_LIMIT_BYTES, 10); /* though nobody writes */
	WAIT_UNTIL(metric("db_wal_size_bytes{db_namespace=\"rows\"}") <= WAL_LIMIT_BYTES &&
			   metric("db_wal_pinned_seconds{db_namespace=\"rows\"}") == 0,
		   10);
	write_pages(100);
	assert_int_equal(number_of("rows", "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"),
			 1);
}

/* All is copied, and a reader that sees the newest state is still in the log: one short try, not one at each write. */
static void test_it_is_tried_in_vain_once_a_second_at_most(void **state)
{
	sqlite3 *reader;

	(void)state;
	reader = begin_reading();
	write_pages(WAL_PAGES_LONG + 100);
	sqlite3_close(reader);
	reader = begin_reading();
	begin_leading();
	database->writer.wal.next_start_ns = 0;
	database->writer.wal.held_since_ns = 0;
	database->writer.wal.due_pages = 0;
	uint64_t before_ns = clock_monotonic_ns();
	wal_tend(&database->writer.wal);
	uint64_t next_ns = database->writer.wal.next_start_ns;
	assert_true(next_ns > before_ns && log_bytes() > WAL_LIMIT_BYTES);
	database->writer.wal.due_pages = 0;
	wal_tend(&database->writer.wal);
	if (clock_monotonic_ns() < next_ns)
		assert_true(database->writer.wal.next_start_ns == next_ns);
	end_leading();
	sqlite3_close(reader);
	WAIT_UNTIL(log_bytes() <= WAL_LIMIT_BYTES, 10);
}

static void test_another_reader_is_another_age(void **state)
{
	sqlite3 *first, *second;

	(void)state;
	write_pages(100);
	first = begin_reading();
	write_pages(2 * WAL_PAGES_DUE);
	uint64_t since_ns = database->writer.wal.held_since_ns;
	assert_true(since_ns > 0);
	second = begin_reading();
	write_pages(2 * WAL_PAGES_DUE);
	assert_true(database->writer.wal.held_since_ns == since_ns);
	sqlite3_close(first);
	write_pages(2 * WAL_PAGES_DUE);
	assert_true(database->writer.wal.held_since_ns > since_ns);
	sqlite3_close(second);
	WAIT_UNTIL(database->writer.wal.held_since_ns == 0, 10);
}

static void test_closing_waits_for_no_reader(void **state)
{
	sqlite3 *reader;

	(void)state;
	write_pages(100);
	setenv("BUSY_TIMEOUT_MS", "60000", 1);
	reader = begin_reading();
	write_pages(100);
	database_close(database); /* else for a minute */
	database = NULL;
	sqlite3_close(reader);
	assert_true(number_of("rows", "SELECT count(*) FROM rows") >= 2);
}

int main(void)
{
#define WAL_TEST(f) cmocka_unit_test_setup_teardown(f, open_store, close_store)
	const struct CMUnitTest tests[] = {
		WAL_TEST(test_the_log_stays_short),
		WAL_TEST(test_overlapping_readers_do_not_let_it_grow),
		WAL_TEST(test_a_reader_that_stays_is_told_and_then_it_is_short_again),
		WAL_TEST(test_it_is_tried_in_vain_once_a_second_at_most),
		WAL_TEST(test_another_reader_is_another_age),
		WAL_TEST(test_closing_waits_for_no_reader),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
