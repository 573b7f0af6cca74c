/* SPDX-License-Identifier: MIT */
/*
 * Walks every failure of the database: the first, the second … operation on the disk, or allocation, fails, alone or
 * with all that follow, or the power fails, while orders are stored as the service does it. What was acknowledged is
 * there afterwards, whole.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "count_allocations.h"
#include "database/idempotency.h"
#include "database/parts.h"
#include "database_fixture.h"
#include "fault_vfs.h"
#include "outbox/outbox.h"
#include "power_loss.h"

#define ORDERS 6
#define PRODUCT "测试商品, long enough that it does not lie in the record's first bytes"

DB_STATEMENT(insert_order, "INSERT", "orders",
	     "INSERT INTO orders (id, user_id, product, amount_cents, created_at)"
	     " VALUES (?1, 1, ?2, 990, '2026-11-22T12:30:00.000Z')");
DB_STATEMENT(select_product, "SELECT", "orders", "SELECT product FROM orders WHERE id = ?1");

/* ---- what is done while something fails ---- */

/* What became of the scenario, shared with the child that runs it. */
static struct outcome {
	bool opened;
	bool acknowledged[ORDERS + 2]; /* by id, from 1; the last is stored after the failure */
	size_t moments[ORDERS + 2];    /* of the acknowledgements, see power_loss.h */
	unsigned failed, wrong;
	bool repaired; /* before the last order: it must succeed */
} * outcome;

/* Order, message and key in one transaction. */
static enum db_result place(struct db_connection *tx, void *arg)
{
	const int64_t *id = arg;
	struct outbox_message message;
	struct idempotency_key key;
	struct db_query q;

	db_query(&q, tx, &insert_order);
	db_bind_int(&q, *id);
	db_bind_text(&q, PRODUCT);
	enum db_result result = db_end(&q);
	if (result != DB_OK)
		return result;
	outbox_message_init(&message);
	message.subject_id = *id;
	strcpy(message.payload, "{}");
	result = outbox_add(tx, &message);
	key.len = (size_t)snprintf(key.text, sizeof(key.text), "key-%d", (int)*id);
	return result == DB_OK ? idempotency_record(tx, &key, *id) : result;
}

static void store_one(struct database *database, int64_t id)
{
	enum db_result result = db_write(database, &insert_order, place, &id);

	outcome->acknowledged[id] = result == DB_OK;
	outcome->moments[id] = power_moment;
	bool failed = result == DB_FAILED || result == DB_UNAVAILABLE || result == DB_BUSY;
	outcome->failed += failed;
	outcome->wrong += result != DB_OK && !failed;
}

/* A read is right or has failed; it never says that something acknowledged is absent, or other than it is. */
static void read_one(struct db_connection *db, int64_t id)
{
	struct db_query q;

	db_query(&q, db, &select_product);
	db_bind_int(&q, id);
	bool found = db_next(&q), same = found && strcmp(db_text(&q, 0), PRODUCT) == 0;
	enum db_result result = db_end(&q);
	outcome->failed += result != DB_OK;
	if (result == DB_OK)
		outcome->wrong += found ? !same : outcome->acknowledged[id];
}

/* Opens, stores, reads, makes checkpoints, repairs what failed and then stores once more, closes. */
static void run_scenario(bool (*repair)(void))
{
	struct database *database = database_open("orders");
	struct db_connection *reader = database ? db_connection_open(database) : NULL;

	outcome->opened = reader;
	for (int64_t id = 1; id <= ORDERS && reader; id++) {
		if (id % 3 == 0)
			database->writer.wal.due_pages = 1; /* due after this write */
		store_one(database, id);
		read_one(reader, id);
	}
	outcome->repaired = repair();
	if (database && outcome->repaired)
		store_one(database, ORDERS + 1);
	db_connection_close(reader);
	database_close(database);
}

/* ---- judging ---- */

/* A number about order ?1. */
static int64_t ask(sqlite3 *sqlite, const char *sql, int id)
{
	sqlite3_stmt *stmt;

	if (sqlite3_prepare_v2(sqlite, sql, -1, &stmt, NULL) != SQLITE_OK)
		return 0; /* no table: it was never made */
	sqlite3_bind_int(stmt, 1, id);
	int64_t number = sqlite3_step(stmt) == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
	sqlite3_finalize(stmt);
	return number;
}

static void judge(const char *kind, long position)
{
	sqlite3 *sqlite = open_outside("orders");

	if (!ask(sqlite, "SELECT count(*) = 1 FROM pragma_integrity_check WHERE integrity_check = 'ok'", 0))
		fail_msg("%s, %ld: the file is damaged", kind, position);
	for (int id = 1; id <= ORDERS + 1; id++) {
		int64_t order = ask(sqlite, "SELECT count(*) FROM orders WHERE id = ?1", id),
			message = ask(sqlite, "SELECT count(*) FROM outbox WHERE order_id = ?1", id),
			key = ask(sqlite, "SELECT count(*) FROM idempotency WHERE key = 'key-' || ?1", id);
		if (outcome->acknowledged[id] && order != 1)
			fail_msg("%s, %ld: order %d was acknowledged and is lost", kind, position, id);
		if (message != order || key != order)
			fail_msg("%s, %ld: half of order %d is there", kind, position, id);
	}
	sqlite3_close(sqlite);
	if (outcome->wrong)
		fail_msg("%s, %ld: a wrong answer instead of a failure", kind, position);
	if (outcome->opened && outcome->repaired && !outcome->acknowledged[ORDERS + 1])
		fail_msg("%s, %ld: it does not go on afterwards", kind, position);
}

/* SQLite's files; the memory that processes share is nothing that a disk keeps. */
static const char *const file_ends[] = {"", "-wal", "-journal", "-shm"};
#define FILES_ON_DISK 3
#define FILES 4

static const char *file_path(int file)
{
	static char path[600];

	snprintf(path, sizeof(path), "%s%s", database_path("orders"), file_ends[file]);
	return path;
}

static void remove_database(void)
{
	char lock[600];

	for (int i = 0; i < FILES; i++)
		unlink(file_path(i));
	snprintf(lock, sizeof(lock), "%s/orders.lock", temporary); /* it says that there was a database */
	unlink(lock);
	memset(outcome, 0, sizeof(*outcome));
}

/* FAULT_STEP=1 walks every position; else sanitizers, which are slow, see every seventh of those that others see. */
static long step(long usual)
{
	const char *wanted = getenv("FAULT_STEP"), *mode = getenv("TEST_MODE");

	if (wanted)
		return strtol(wanted, NULL, 10);
	return mode && strcmp(mode, "release") != 0 ? 7 * usual : usual;
}

/* ---- the disk ---- */

static bool repair_disk(void)
{
	if (fault_hits)
		fault_at = 0;
	return fault_hits;
}

static void walk_disk(const char *kind, bool lasts)
{
	long position = 1, reported = 0, silent = 0;

	for (bool more = true; more; position += step(1)) {
		remove_database();
		fault_walk(position, lasts);
		run_scenario(repair_disk);
		more = fault_hits;
		fault_walk(0, false);
		judge(kind, position);
		bool told = outcome->failed || !outcome->opened;
		if (told && !more)
			fail_msg("%s: without a failure something fails", kind);
		reported += told;
		silent += more && !told;
	}
	print_message("%s: %ld failures, %ld of them were reported\n", kind, reported + silent, reported);
	assert_true(reported > silent);
}

static void test_each_operation_on_the_disk_fails_once(void **state)
{
	(void)state;
	walk_disk("the disk fails once", false);
}

static void test_the_disk_fails_until_it_is_repaired(void **state)
{
	(void)state;
	walk_disk("the disk fails for a while", true);
}

/* ---- power ---- */

static bool nothing_to_repair(void)
{
	return false;
}

/* The power fails after this moment of the scenario; then it comes back, and the service stores another order. */
static void fail_power(const struct outcome *watched, size_t moment, unsigned fate)
{
	remove_database();
	for (int i = 0; i < FILES_ON_DISK; i++)
		power_fail(file_path(i), moment, fate * FILES_ON_DISK + (unsigned)i);
	for (int id = 1; id <= ORDERS; id++)
		outcome->acknowledged[id] = watched->acknowledged[id] && watched->moments[id] <= moment;

	struct database *database = database_open("orders");
	outcome->opened = outcome->repaired = true;
	if (database)
		store_one(database, ORDERS + 1);
	database_close(database);
	judge("the power fails", (long)moment);
}

static void test_the_power_fails_at_each_moment(void **state)
{
	struct outcome watched;
	unsigned fates = getenv("FAULT_STEP") ? 50 : 2;

	(void)state;
	remove_database();
	power_watched = true;
	run_scenario(nothing_to_repair);
	power_watched = false;
	watched = *outcome;
	assert_true(watched.acknowledged[ORDERS] && watched.moments[ORDERS] > 50);

	for (size_t moment = 0; moment <= power_moment; moment += (size_t)step(1))
		for (unsigned fate = 0; fate < fates; fate++)
			fail_power(&watched, moment, fate);
	print_message("the power fails: %zu moments, %u fates of each\n", power_moment, fates);
	power_forget();
}

/* ---- memory: SQLite's allocations and ours, in one count ---- */

static sqlite3_mem_methods real_memory;

static void *sqlite_malloc(int bytes)
{
	return allocation_fails() ? NULL : real_memory.xMalloc(bytes);
}

static void *sqlite_realloc(void *old, int bytes)
{
	return allocation_fails() ? NULL : real_memory.xRealloc(old, bytes);
}

/* Before SQLite is used. */
static void count_memory_of_sqlite(void)
{
	sqlite3_mem_methods counting;

	if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_memory) != SQLITE_OK)
		abort();
	counting = real_memory;
	counting.xMalloc = sqlite_malloc;
	counting.xRealloc = sqlite_realloc;
	if (sqlite3_config(SQLITE_CONFIG_MALLOC, &counting) != SQLITE_OK)
		abort();
}

static bool repair_memory(void)
{
	if (allocation_failures)
		failing_allocation = 0;
	return allocation_failures;
}

/* In a child, because for lack of memory the program may abort; that, and going on, is all that it may. False: nothing
 * has failed. */
static bool run_in_child(unsigned long position, bool lasts, long *aborts)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
		allocations = 0;
		allocations_fail_on = lasts;
		failing_allocation = position;
		run_scenario(repair_memory);
		_exit(allocation_failures ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status) ? WTERMSIG(status) != SIGABRT : WEXITSTATUS(status) > 1)
		fail_msg("allocation %lu: status %x", position, (unsigned)status);
	*aborts += WIFSIGNALED(status);
	return status != 0;
}

static void walk_memory(const char *kind, bool lasts)
{
	long position = 1, aborts = 0;

	for (bool more = true; more; position += step(5)) {
		remove_database();
		more = run_in_child((unsigned long)position, lasts, &aborts);
		judge(kind, position);
	}
	print_message("%s: up to allocation %ld, %ld aborts\n", kind, position, aborts);
	assert_true(position > 1000);
}

static void test_each_allocation_fails_once(void **state)
{
	(void)state;
	walk_memory("an allocation fails", false);
}

static void test_memory_is_used_up_for_a_while(void **state)
{
	(void)state;
	walk_memory("memory is used up", true);
}

/* ---- */

static int setup(void **state)
{
	make_dir(state);
	setenv("SCHEMA_DIR", "db/schema", 1);
	setenv("BUSY_TIMEOUT_MS", "0", 1);
	return 0;
}

int main(void)
{
#define WALK(f) cmocka_unit_test_setup_teardown(f, setup, remove_dir)
	const struct CMUnitTest tests[] = {
		WALK(test_each_operation_on_the_disk_fails_once), WALK(test_the_disk_fails_until_it_is_repaired),
		WALK(test_the_power_fails_at_each_moment),        WALK(test_each_allocation_fails_once),
		WALK(test_memory_is_used_up_for_a_while),
	};
	outcome = mmap(NULL, sizeof(*outcome), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	count_memory_of_sqlite();
	fault_vfs_install();
	fault_no_sync = true;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
