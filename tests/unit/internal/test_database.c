/* SPDX-License-Identifier: MIT */
/* Queries: values, errors, and the span and observation of each. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "database/parts.h"
#include "database_fixture.h"
#include "ended_spans.h"
#include "span_attrs.h"

static const char schema[] =
	"-- things\n\n"
	"-- step 1: things\n"
	"CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT UNIQUE, size INTEGER CHECK (size > 0)) STRICT;\n"
	"INSERT INTO things VALUES (1, 'one', 10), (2, 'zwei \xe6\xb5\x8b', 20), (3, NULL, 30);\n";

DB_STATEMENT(select_thing, "SELECT", "things", "SELECT id, name, size FROM things WHERE id = ?1");
DB_STATEMENT(select_by_name, "SELECT", "things", "SELECT id FROM things WHERE name IS ?1 AND size = ?2");
DB_STATEMENT(select_all, "SELECT", "things", "SELECT id FROM things ORDER BY id");
DB_STATEMENT(select_wrong, "SELECT", "nothing", "SELECT id FROM nothing");
DB_STATEMENT(insert_thing, "INSERT", "things", "INSERT INTO things (name, size) VALUES (?1, ?2) RETURNING id");

static struct database *database;
static struct db_connection *db;

static int open_store(void **state)
{
	make_dir(state);
	write_file("things.sql", schema);
	database = database_open("things");
	assert_non_null(database);
	db = db_connection_open(database);
	assert_non_null(db);
	keep_spans();
	return 0;
}

static int close_store(void **state)
{
	db_connection_close(db);
	database_close(database);
	return remove_dir(state);
}

static void test_values(void **state)
{
	struct db_query q;
	char cut[4];

	(void)state;
	db_query(&q, db, &select_thing);
	db_bind_int(&q, 2);
	assert_true(db_next(&q));
	assert_int_equal(db_int(&q, 0), 2);
	assert_string_equal(db_text(&q, 1), "zwei \xe6\xb5\x8b");
	db_copy(&q, 1, cut, sizeof(cut));
	assert_string_equal(cut, "zwe");
	assert_false(db_next(&q));
	assert_false(db_next(&q)); /* does not start again */
	assert_int_equal(db_end(&q), DB_OK);

	db_query(&q, db, &select_thing);
	db_bind_int(&q, 3);
	assert_true(db_next(&q));
	assert_string_equal(db_text(&q, 1), "");
	assert_int_equal(db_int(&q, 1), 0);
	assert_int_equal(db_end(&q), DB_OK);
}

static void test_bindings_do_not_outlive_the_query(void **state)
{
	struct db_query q;
	static char name[] = "one";

	(void)state;
	db_query(&q, db, &select_by_name);
	db_bind_text(&q, name);
	db_bind_int(&q, 10);
	assert_true(db_next(&q));
	assert_int_equal(db_end(&q), DB_OK);

	db_query(&q, db, &select_by_name); /* ?1 and ?2 are NULL again, not what they pointed at */
	assert_false(db_next(&q));
	assert_int_equal(db_end(&q), DB_OK);

	db_query(&q, db, &select_by_name);
	db_bind_text(&q, NULL);
	db_bind_int(&q, 30);
	assert_true(db_next(&q));
	assert_int_equal(db_int(&q, 0), 3);
	assert_int_equal(db_end(&q), DB_OK);
}

static void test_a_query_may_end_early_and_run_again(void **state)
{
	struct db_query q;

	(void)state;
	for (int i = 0; i < 3; i++) {
		db_query(&q, db, &select_all);
		assert_true(db_next(&q));
		assert_int_equal(db_int(&q, 0), 1);
		assert_int_equal(db_end(&q), DB_OK);
	}
}

static void test_errors_stick(void **state)
{
	struct db_query q;

	(void)state;
	db_query(&q, db, &select_wrong);
	db_bind_int(&q, 1);
	db_bind_text(&q, "x");
	assert_false(db_next(&q));
	assert_int_equal(db_end(&q), DB_FAILED);

	db_query(&q, db, &select_thing);
	db_bind_int(&q, 1);
	db_bind_int(&q, 2); /* there is no ?2 */
	assert_false(db_next(&q));
	assert_int_equal(db_end(&q), DB_FAILED);

	db_query(&q, db, &select_thing); /* the connection is as good as before */
	db_bind_int(&q, 1);
	assert_true(db_next(&q));
	assert_int_equal(db_end(&q), DB_OK);
}

static void test_readers_cannot_write(void **state)
{
	struct db_query q;

	(void)state;
	db_query(&q, db, &insert_thing);
	db_bind_text(&q, "new");
	db_bind_int(&q, 1);
	assert_false(db_next(&q));
	assert_int_equal(db_end(&q), DB_UNAVAILABLE);
	assert_int_equal(number_of("things", "SELECT count(*) FROM things"), 3);
}

static enum db_result insert_into(struct db_connection *tx, const char *name)
{
	struct db_query q;

	db_query(&q, tx, &insert_thing);
	db_bind_text(&q, name);
	db_bind_int(&q, 1);
	return db_end(&q); /* runs INSERT … RETURNING to its end though nobody asked for the row */
}

static enum db_result insert_job(struct db_connection *tx, void *arg)
{
	return insert_into(tx, *(const char **)arg);
}

static enum db_result insert(const char *name)
{
	return db_write(database, &insert_thing, insert_job, &name);
}

static enum db_result insert_two_job(struct db_connection *tx, void *arg)
{
	(void)arg;
	enum db_result result = insert_into(tx, "first");
	return result == DB_OK ? insert_into(tx, "second") : result;
}

static void test_span_of_a_query(void **state)
{
	struct db_query q;

	(void)state;
	{
		TEL_SPAN(request, "request", TEL_SERVER);
		db_query(&q, db, &select_thing);
		db_bind_int(&q, 1);
		assert_int_equal(db_end(&q), DB_OK);
		assert_ptr_equal(tel_span_current(), request);
	}
	assert_int_equal(ended_count, 2);
	const struct span *span = &ended[0], *request = &ended[1];
	assert_string_equal(span->name, "SELECT things");
	assert_int_equal(span->kind, TEL_CLIENT);
	assert_int_equal(span->status, SPAN_UNSET);
	assert_memory_equal(span->parent_span_id, request->span_id, 8);
	assert_string_equal(span_attr(span, "db.system.name"), "sqlite");
	assert_string_equal(span_attr(span, "db.namespace"), "things");
	assert_string_equal(span_attr(span, "db.operation.name"), "SELECT");
	assert_string_equal(span_attr(span, "db.collection.name"), "things");
	assert_string_equal(span_attr(span, "db.query.text"), select_thing.sql);
	assert_string_equal(span_attr(span, "error.type"), "(none)");
	assert_int_equal(span->dropped_attributes, 0);
}

static void test_no_span_without_a_trace(void **state)
{
	struct db_query q;

	(void)state;
	db_query(&q, db, &select_thing);
	db_bind_int(&q, 1);
	assert_int_equal(db_end(&q), DB_OK);
	assert_int_equal(insert("quiet"), DB_OK);
	assert_true(db_ready(db));
	assert_int_equal(ended_count, 0);
}

static void test_span_of_a_failure(void **state)
{
	struct db_query q;

	(void)state;
	{
		TEL_SPAN(request, "request", TEL_SERVER);
		db_query(&q, db, &select_wrong);
		assert_int_equal(db_end(&q), DB_FAILED);
		assert_int_equal(insert("one"), DB_CONFLICT);
	}
	assert_int_equal(ended_count, 3);
	assert_int_equal(ended[0].status, SPAN_ERROR);
	assert_string_equal(span_attr(&ended[0], "db.response.status_code"), "1");
	assert_string_equal(span_attr(&ended[0], "error.type"), "SQLITE_ERROR");
	assert_int_equal(ended[1].status, SPAN_ERROR);
	assert_string_equal(span_attr(&ended[1], "db.response.status_code"), "2067"); /* ..._UNIQUE */
	assert_string_equal(span_attr(&ended[1], "error.type"), "SQLITE_CONSTRAINT");
	assert_int_equal(ended[2].status, SPAN_UNSET);
}

static void test_a_transaction_is_one_operation(void **state)
{
	static const char count[] = "db_client_operation_duration_seconds_count{db_operation_name=\"INSERT\","
				    "db_collection_name=\"things\"}";
	double before = metric(count);

	(void)state;
	assert_true(before >= 0); /* there from the start */
	{
		TEL_SPAN(request, "request", TEL_SERVER);
		assert_int_equal(db_write(database, &insert_thing, insert_two_job, NULL), DB_OK);
	}
	assert_int_equal(ended_count, 2);
	assert_string_equal(ended[0].name, "INSERT things");
	assert_string_equal(span_attr(&ended[0], "db.query.text"), insert_thing.sql);
	assert_true(metric(count) == before + 1);
	assert_int_equal(number_of("things", "SELECT count(*) FROM things WHERE name IN ('first', 'second')"), 2);
}

static void test_durability_settings(void **state)
{
	int64_t value;

	(void)state;
	assert_true(connection_int(database->writer.db, "PRAGMA synchronous", &value));
	assert_int_equal(value, 2);
	assert_true(connection_int(database->writer.db, "PRAGMA foreign_keys", &value));
	assert_int_equal(value, 1);
	assert_true(connection_int(database->writer.db, "PRAGMA busy_timeout", &value));
	assert_int_equal(value, 200);
	assert_true(connection_int(db, "PRAGMA query_only", &value));
	assert_int_equal(value, 1);
	assert_true(connection_int(db, "PRAGMA wal_autocheckpoint", &value));
	assert_int_equal(value, 0);
	assert_int_equal(number_of("things", "SELECT count(*) FROM pragma_journal_mode WHERE journal_mode = 'wal'"), 1);
}

static void test_closing_leaves_one_file(void **state)
{
	char wal[600];

	(void)state;
	assert_int_equal(insert("last"), DB_OK);
	snprintf(wal, sizeof(wal), "%s-wal", database_path("things"));
	assert_int_equal(access(wal, F_OK), 0);
	db_connection_close(db);
	database_close(database);
	assert_int_not_equal(access(wal, F_OK), 0);
	database = database_open("things");
	assert_non_null(database);
	db = db_connection_open(database);
	assert_non_null(db);
	assert_int_equal(number_of("things", "SELECT count(*) FROM things WHERE name = 'last'"), 1);
}

static void test_time(void **state)
{
	char text[DB_TIME_SIZE];

	(void)state;
	db_time(-DB_DAY_MS, text); /* a day before a clock that has just begun */
	assert_string_equal(text, "1970-01-01T00:00:00.000Z");
	db_time(INT64_C(1795350600123), text);
	assert_string_equal(text, "2026-11-22T12:30:00.123Z");
}

static void test_what_cannot_be_opened(void **state)
{
	(void)state;
	setenv("DATA_DIR", "/proc/nowhere", 1);
	assert_null(database_open("things"));
	setenv("DATA_DIR", temporary, 1);
	write_file("noise.sql", schema);
	write_file("noise.db",
		   "This is not a database, and it is long enough to be taken for one at the first glance......"
		   "..........................................................................................");
	assert_null(database_open("noise"));
	database_close(NULL);
	db_connection_close(NULL);
}

int main(void)
{
#define DB_TEST(f) cmocka_unit_test_setup_teardown(f, open_store, close_store)
	const struct CMUnitTest tests[] = {
		DB_TEST(test_values),
		DB_TEST(test_bindings_do_not_outlive_the_query),
		DB_TEST(test_a_query_may_end_early_and_run_again),
		DB_TEST(test_errors_stick),
		DB_TEST(test_readers_cannot_write),
		DB_TEST(test_span_of_a_query),
		DB_TEST(test_no_span_without_a_trace),
		DB_TEST(test_span_of_a_failure),
		DB_TEST(test_a_transaction_is_one_operation),
		DB_TEST(test_durability_settings),
		DB_TEST(test_closing_leaves_one_file),
		DB_TEST(test_what_cannot_be_opened),
		cmocka_unit_test(test_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
