/* SPDX-License-Identifier: MIT */
/* Group commit: durability, sharing of syncs, and what a failure of one job, of the commit or of the disk means. */
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "database/parts.h"
#include "database_fixture.h"
#include "fault_vfs.h"

static const char schema[] = "-- step 1: rows\nCREATE TABLE rows (id INTEGER PRIMARY KEY, text TEXT) STRICT;\n";

DB_STATEMENT(insert_row, "INSERT", "rows", "INSERT INTO rows (id, text) VALUES (?1, ?2)");

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
	fault_fail_sync = fault_fail_write = false;
	database_close(database);
	return remove_dir(state);
}

static int64_t rows(void)
{
	return number_of("rows", "SELECT count(*) FROM rows");
}

/* ---- jobs ---- */

static enum db_result insert(struct db_connection *tx, int64_t id)
{
	struct db_query q;

	db_query(&q, tx, &insert_row);
	db_bind_int(&q, id);
	db_bind_text(&q, "some text");
	return db_end(&q);
}

static enum db_result insert_one(struct db_connection *tx, void *arg)
{
	return insert(tx, *(const int64_t *)arg);
}

static enum db_result write_one(int64_t id)
{
	return db_write(database, &insert_row, insert_one, &id);
}

/* Inserts, then finds that it does not want to. */
static enum db_result insert_and_refuse(struct db_connection *tx, void *arg)
{
	enum db_result result = insert_one(tx, arg);

	return result == DB_OK ? DB_NOT_FOUND : result;
}

/* ---- a group of known members: the first job leads and holds the door until the others wait ---- */

struct member {
	db_job *job;
	int64_t id;
	enum db_result result;
	pthread_t thread;
};

static atomic_uint group_size; /* that the leader waits for */

static unsigned waiting(void)
{
	pthread_mutex_lock(&database->writer.lock);
	unsigned count = database->writer.waiting;
	pthread_mutex_unlock(&database->writer.lock);
	return count;
}

static enum db_result hold_the_door(struct db_connection *tx, void *arg)
{
	(void)tx;
	(void)arg;
	WAIT_UNTIL(waiting() >= group_size, 30);
	return DB_OK;
}

static void *lead(void *arg)
{
	enum db_result *result = arg;

	*result = db_write(database, &insert_row, hold_the_door, NULL);
	return NULL;
}

static void *join(void *arg)
{
	struct member *m = arg;

	m->result = db_write(database, &insert_row, m->job, &m->id);
	return NULL;
}

static bool is_leading(void)
{
	pthread_mutex_lock(&database->writer.lock);
	bool leading = database->writer.leading;
	pthread_mutex_unlock(&database->writer.lock);
	return leading;
}

static void start_leader(pthread_t *thread, enum db_result *result)
{
	assert_int_equal(pthread_create(thread, NULL, lead, result), 0);
	WAIT_UNTIL(is_leading(), 10);
}

static void run_group_of(struct member *members, unsigned count)
{
	pthread_t leader;
	enum db_result result;

	group_size = count;
	start_leader(&leader, &result);
	for (unsigned i = 0; i < count; i++) {
		assert_int_equal(pthread_create(&members[i].thread, NULL, join, &members[i]), 0);
		WAIT_UNTIL(waiting() == i + 1 || i + 1 == count, 10); /* in this order */
	}
	for (unsigned i = 0; i < count; i++)
		pthread_join(members[i].thread, NULL);
	pthread_join(leader, NULL);
	assert_int_equal(result, DB_OK);
}

/* ---- tests ---- */

static void test_a_write_is_synced_before_it_returns(void **state)
{
	int before = fault_syncs;

	(void)state;
	assert_int_equal(write_one(1), DB_OK);
	assert_true(fault_syncs > before);
	assert_int_equal(rows(), 1);
}

static void test_a_refused_job_leaves_nothing(void **state)
{
	int64_t id = 1;

	(void)state;
	assert_int_equal(db_write(database, &insert_row, insert_and_refuse, &id), DB_NOT_FOUND);
	assert_int_equal(rows(), 0);
	assert_int_equal(write_one(1), DB_OK);
	assert_int_equal(write_one(1), DB_CONFLICT);
	assert_int_equal(rows(), 1);
}

static void test_a_group_shares_its_sync_and_fails_one_by_one(void **state)
{
	struct member members[] = {
		{.job = insert_one, .id = 1},
		{.job = insert_and_refuse, .id = 2},
		{.job = insert_one, .id = 1}, /* conflicts with the first */
		{.job = insert_one, .id = 3},
	};

	(void)state;
	assert_int_equal(write_one(100), DB_OK); /* the first one after a checkpoint syncs the WAL's header too */
	int before = fault_syncs;
	run_group_of(members, 4);
	assert_int_equal(fault_syncs, before + 1);
	assert_int_equal(members[0].result, DB_OK);
	assert_int_equal(members[1].result, DB_NOT_FOUND);
	assert_int_equal(members[2].result, DB_CONFLICT);
	assert_int_equal(members[3].result, DB_OK);
	assert_int_equal(number_of("rows", "SELECT sum(id) FROM rows"), 104);
}

static void test_a_failed_commit_fails_all_and_is_forgotten(void **state)
{
	struct member members[] = {
		{.job = insert_one, .id = 1},
		{.job = insert_and_refuse, .id = 2},
		{.job = insert_one, .id = 3},
	};

	(void)state;
	fault_fail_sync = true;
	run_group_of(members, 3);
	assert_int_equal(members[0].result, DB_UNAVAILABLE);
	assert_int_equal(members[1].result, DB_NOT_FOUND); /* what it came to by itself */
	assert_int_equal(members[2].result, DB_UNAVAILABLE);
	fault_fail_sync = false;
	assert_int_equal(rows(), 0);
	assert_int_equal(write_one(1), DB_OK);
	assert_int_equal(rows(), 1);
}

static enum db_result insert_much(struct db_connection *tx, void *arg)
{
	enum db_result result = DB_OK;

	for (int64_t id = *(int64_t *)arg, end = id + 1000; id < end && result == DB_OK; id++)
		result = insert(tx, id);
	return result;
}

static void test_a_full_disk(void **state)
{
	int64_t first = 1000, limit;

	(void)state;
	fault_fail_write = true;
	assert_int_equal(write_one(1), DB_UNAVAILABLE);
	fault_fail_write = false;
	assert_int_equal(rows(), 0);

	/* Full in the midst of a statement: SQLite rolls back the whole transaction, the jobs before it too. */
	assert_true(connection_int(database->writer.db, "PRAGMA max_page_count = 5", &limit));
	struct member members[] = {
		{.job = insert_one, .id = 1},
		{.job = insert_much, .id = 1000},
		{.job = insert_one, .id = 3},
	};
	run_group_of(members, 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(members[i].result, DB_UNAVAILABLE);
	assert_int_equal(rows(), 0);
	assert_true(connection_int(database->writer.db, "PRAGMA max_page_count = 1000000", &limit));
	assert_int_equal(db_write(database, &insert_row, insert_much, &first), DB_OK);
}

static void test_locked_by_another_process(void **state)
{
	sqlite3 *other = open_outside("rows");
	uint64_t start_ns = clock_monotonic_ns();

	(void)state;
	assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(write_one(1), DB_BUSY);
	assert_in_range(clock_monotonic_ns() - start_ns, 150000000, 5000000000);
	assert_int_equal(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(write_one(1), DB_OK);
	sqlite3_close(other);
}

static void test_the_queue_is_bounded(void **state)
{
	static struct member members[WRITER_QUEUE_MAX];
	pthread_t leader;
	enum db_result result;

	(void)state;
	group_size = WRITER_QUEUE_MAX + 1; /* held until it is lowered */
	start_leader(&leader, &result);
	for (unsigned i = 0; i < WRITER_QUEUE_MAX; i++) {
		members[i] = (struct member){.job = insert_one, .id = i + 1};
		assert_int_equal(pthread_create(&members[i].thread, NULL, join, &members[i]), 0);
	}
	WAIT_UNTIL(waiting() == WRITER_QUEUE_MAX, 30);
	assert_int_equal(write_one(5000), DB_BUSY);
	group_size = 0;
	for (unsigned i = 0; i < WRITER_QUEUE_MAX; i++) {
		pthread_join(members[i].thread, NULL);
		assert_int_equal(members[i].result, DB_OK);
	}
	pthread_join(leader, NULL);
	assert_int_equal(rows(), WRITER_QUEUE_MAX);
}

/* ---- many threads, and readers beside them ---- */

#define WRITERS 32
#define WRITES 25

static atomic_bool stop_reading;

static void *write_many(void *arg)
{
	intptr_t thread = (intptr_t)arg, failed = 0;

	for (int64_t i = 0; i < WRITES; i++)
		failed += write_one(thread * WRITES + i + 1) != DB_OK;
	return (void *)failed;
}

DB_STATEMENT(count_rows, "SELECT", "rows", "SELECT count(*), max(id) FROM rows");

/* A reader sees only whole commits, and never fewer than before. */
static void *read_many(void *arg)
{
	struct db_connection *db = db_connection_open(database);
	intptr_t wrong = 0;
	int64_t seen = 0;

	(void)arg;
	while (!stop_reading) {
		struct db_query q;
		db_query(&q, db, &count_rows);
		wrong += !db_next(&q) || db_int(&q, 0) < seen;
		seen = db_int(&q, 0);
		wrong += db_end(&q) != DB_OK;
	}
	db_connection_close(db);
	return (void *)wrong;
}

static void test_concurrent_writers_and_readers(void **state)
{
	pthread_t writers[WRITERS], readers[2];
	int before = fault_syncs;
	void *failed;

	(void)state;
	stop_reading = false;
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, read_many, NULL), 0);
	for (intptr_t i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_create(&writers[i], NULL, write_many, (void *)i), 0);
	for (int i = 0; i < WRITERS; i++) {
		pthread_join(writers[i], &failed);
		assert_null(failed);
	}
	stop_reading = true;
	for (int i = 0; i < 2; i++) {
		pthread_join(readers[i], &failed);
		assert_null(failed);
	}
	assert_int_equal(rows(), WRITERS * WRITES);
	int syncs = fault_syncs - before;
	print_message("%d writes, %d syncs\n", WRITERS * WRITES, syncs);
	assert_true(syncs < WRITERS * WRITES / 2);
}

static void test_the_wal_does_not_grow_without_end(void **state)
{
	struct stat status;
	char wal[600];

	(void)state;
	snprintf(wal, sizeof(wal), "%s-wal", database_path("rows"));
	for (int64_t id = 0; id < 4000; id++)
		assert_int_equal(write_one(id), DB_OK);
	assert_int_equal(stat(wal, &status), 0);
	assert_in_range(status.st_size, 1, 1100 * 4120); /* one frame a write at least: it has started over */
}

DB_STATEMENT(select_ids, "SELECT", "rows", "SELECT id FROM rows");

static void test_a_reader_that_stays_holds_up_no_writer(void **state)
{
	struct db_connection *db = db_connection_open(database);
	struct db_query q;
	int64_t id = 0;

	(void)state;
	assert_int_equal(write_one(++id), DB_OK);
	db_query(&q, db, &select_ids);
	assert_true(db_next(&q)); /* sees the rows of now, however long it takes */
	for (int i = 0; i < 2500; i++)
		assert_int_equal(write_one(++id), DB_OK);
	assert_true(database->writer.wal.pages > 2500); /* cannot start over yet */
	assert_false(db_next(&q));
	assert_int_equal(db_end(&q), DB_OK);
	for (int i = 0; i < 1100; i++)
		assert_int_equal(write_one(++id), DB_OK);
	assert_true(database->writer.wal.pages < 1100);
	db_connection_close(db);
	assert_int_equal(rows(), id);
}

/* ---- kill -9 ---- */

static void write_until_killed(int report)
{
	database = database_open("killed");
	for (int64_t id = 1; database; id++) {
		if (write_one(id) != DB_OK || write(report, &id, sizeof(id)) != sizeof(id))
			break;
	}
	_exit(1);
}

static void test_nothing_is_lost_by_kill_9(void **state)
{
	(void)state;
	write_file("killed.sql", schema);
	for (int round = 0; round < 3; round++) {
		int64_t id, last = 0;
		int report[2], status;

		assert_int_equal(pipe(report), 0);
		pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0)
			write_until_killed(report[1]);
		close(report[1]);
		while (read(report[0], &id, sizeof(id)) == sizeof(id)) {
			last = id;
			if (id == 20 + 7 * round)
				kill(child, SIGKILL);
		}
		close(report[0]);
		waitpid(child, &status, 0);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		assert_true(last >= 20);
		assert_in_range(number_of("killed", "SELECT count(*) FROM rows"), last, last + 1);
		assert_int_equal(
			number_of("killed", "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"),
			1);
		run_outside("killed", "DELETE FROM rows");
	}
}

int main(void)
{
#define WRITER_TEST(f) cmocka_unit_test_setup_teardown(f, open_store, close_store)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing_is_lost_by_kill_9, make_dir, remove_dir),
		WRITER_TEST(test_a_write_is_synced_before_it_returns),
		WRITER_TEST(test_a_refused_job_leaves_nothing),
		WRITER_TEST(test_a_group_shares_its_sync_and_fails_one_by_one),
		WRITER_TEST(test_a_failed_commit_fails_all_and_is_forgotten),
		WRITER_TEST(test_a_full_disk),
		WRITER_TEST(test_locked_by_another_process),
		WRITER_TEST(test_the_queue_is_bounded),
		WRITER_TEST(test_concurrent_writers_and_readers),
		WRITER_TEST(test_the_wal_does_not_grow_without_end),
		WRITER_TEST(test_a_reader_that_stays_holds_up_no_writer),
	};
	fault_vfs_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
