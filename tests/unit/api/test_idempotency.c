/* SPDX-License-Identifier: MIT */
/* Idempotency keys: claims of running requests, and the table with its 24 hours. */
#include <stdatomic.h>
#include <string.h>

#include "database/idempotency.h"
#include "database_fixture.h"

static const char schema[] = "-- step 1: keys\n"
			     "CREATE TABLE idempotency (key TEXT NOT NULL PRIMARY KEY, resource_id INTEGER NOT NULL,"
			     " created_at TEXT NOT NULL) STRICT, WITHOUT ROWID;\n"
			     "CREATE INDEX idempotency_age ON idempotency (created_at);\n";

static struct database *database;
static struct db_connection *db;
static _Atomic uint64_t later_ns; /* the steady clock is ahead by */
static uint64_t (*real_clock)(void);

static uint64_t shifted_clock(void)
{
	return real_clock() + later_ns;
}

static int open_store(void **state)
{
	make_dir(state);
	write_file("keys.sql", schema);
	database = database_open("keys");
	assert_non_null(database);
	db = db_connection_open(database);
	assert_non_null(db);
	later_ns = 0;
	return 0;
}

static int close_store(void **state)
{
	later_ns = 0;
	db_connection_close(db);
	database_close(database);
	return remove_dir(state);
}

/* NULL: none was sent. */
static struct idempotency_key key_of(const char *text)
{
	struct idempotency_key key = {.len = text ? strlen(text) : 0};

	memcpy(key.text, text ? text : "", key.len + 1);
	return key;
}

/* ---- claims ---- */

static void test_a_key_is_claimed_once(void **state)
{
	struct idempotency_key first = key_of("a"), second = key_of("a"), other = key_of("b"), none = key_of(NULL),
			       none_again = none;

	(void)state;
	assert_true(idempotency_claim(&first));
	assert_false(idempotency_claim(&second));
	assert_true(idempotency_claim(&other));
	assert_true(idempotency_claim(&none));
	assert_true(idempotency_claim(&none_again));
	idempotency_release(&second); /* was never claimed: the first one holds it still */
	assert_false(idempotency_claim(&second));
	idempotency_release(&first);
	assert_true(idempotency_claim(&second));
	idempotency_release(&none);
	idempotency_release(&second);
	idempotency_release(&other);
	assert_true(idempotency_claim(&first));
	idempotency_release(&first);
}

static atomic_int holders, most_holders, claimed;

static void *claim_and_release(void *arg)
{
	struct idempotency_key key = key_of(arg);

	for (int i = 0; i < 2000; i++) {
		if (!idempotency_claim(&key))
			continue;
		int now = ++holders;
		if (now > most_holders)
			most_holders = now;
		claimed++;
		holders--;
		idempotency_release(&key);
	}
	return NULL;
}

static void test_threads_that_want_one_key(void **state)
{
	static char same[] = "the-same";
	pthread_t threads[8];

	(void)state;
	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, claim_and_release, same), 0);
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(most_holders, 1);
	assert_true(claimed > 0);
}

/* ---- the table ---- */

struct record {
	struct idempotency_key key;
	int64_t id, removed;
};

DB_STATEMENT(keys, "INSERT", "idempotency", "SELECT 1");

static enum db_result record_job(struct db_connection *tx, void *arg)
{
	const struct record *r = arg;
	return idempotency_record(tx, &r->key, r->id);
}

static enum db_result record(const char *text, int64_t id)
{
	struct record r = {.key = key_of(text), .id = id};
	return db_write(database, &keys, record_job, &r);
}

static enum db_result purge_job(struct db_connection *tx, void *arg)
{
	struct record *r = arg;
	return idempotency_purge(tx, 2, &r->removed);
}

static int64_t purge(void)
{
	struct record r = {.removed = -1};
	assert_int_equal(db_write(database, &keys, purge_job, &r), DB_OK);
	return r.removed;
}

static enum db_result find(const char *text, int64_t *id)
{
	struct idempotency_key key = key_of(text);
	return idempotency_find(db, &key, id);
}

static void hours_later(unsigned hours)
{
	later_ns = hours * UINT64_C(3600000000000);
}

static void test_a_key_is_found_for_24_hours(void **state)
{
	int64_t id = 0;

	(void)state;
	assert_int_equal(find("a", &id), DB_NOT_FOUND);
	assert_int_equal(record("a", 7), DB_OK);
	assert_int_equal(find("a", &id), DB_OK);
	assert_int_equal(id, 7);
	assert_int_equal(find("A", &id), DB_NOT_FOUND);
	assert_int_equal(record("a", 8), DB_CONFLICT);
	hours_later(23);
	assert_int_equal(find("a", &id), DB_OK);
	assert_int_equal(record("a", 8), DB_CONFLICT);
	hours_later(25);
	assert_int_equal(find("a", &id), DB_NOT_FOUND);
	assert_int_equal(record("a", 9), DB_OK); /* free again, though nothing was purged */
	assert_int_equal(find("a", &id), DB_OK);
	assert_int_equal(id, 9);
}

static void test_no_key_is_no_work(void **state)
{
	int64_t id = 5;

	(void)state;
	assert_int_equal(record(NULL, 1), DB_OK);
	assert_int_equal(record(NULL, 2), DB_OK);
	assert_int_equal(find(NULL, &id), DB_NOT_FOUND);
	assert_int_equal(id, 5);
	assert_int_equal(number_of("keys", "SELECT count(*) FROM idempotency"), 0);
}

static void test_purge(void **state)
{
	int64_t id;

	(void)state;
	assert_int_equal(record("a", 1), DB_OK);
	assert_int_equal(record("b", 2), DB_OK);
	assert_int_equal(record("c", 3), DB_OK);
	assert_int_equal(purge(), 0);
	hours_later(20);
	assert_int_equal(record("young", 4), DB_OK);
	hours_later(25);
	assert_int_equal(purge(), 2);
	assert_int_equal(purge(), 1);
	assert_int_equal(purge(), 0);
	assert_int_equal(find("young", &id), DB_OK);
}

int main(void)
{
#define KEY_TEST(f) cmocka_unit_test_setup_teardown(f, open_store, close_store)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_key_is_claimed_once),
		cmocka_unit_test(test_threads_that_want_one_key),
		KEY_TEST(test_a_key_is_found_for_24_hours),
		KEY_TEST(test_no_key_is_no_work),
		KEY_TEST(test_purge),
	};
	real_clock = clock_source.monotonic_ns;
	clock_source.monotonic_ns = shifted_clock;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
