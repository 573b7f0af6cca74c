/* SPDX-License-Identifier: MIT */
/* Schema steps and seeds: once each, whole or not at all, also when programs start at once or are killed. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "database_fixture.h"

#define STEP_1 "-- notes\n\n-- step 1: notes\nCREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT) STRICT;\n"
#define STEP_2                                                                                                         \
	"-- step 2: an index; and a comment of the step\n-- steps aside\nCREATE INDEX notes_text ON notes (text);\n"   \
	"UPDATE notes SET text = upper(text);\n"

static char seed_dir[300];

static int make_dirs(void **state)
{
	make_dir(state);
	snprintf(seed_dir, sizeof(seed_dir), "%s/seed", temporary);
	assert_int_equal(mkdir(seed_dir, 0700), 0);
	return 0;
}

static int remove_dirs(void **state)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/notes.sql", seed_dir);
	unlink(path);
	rmdir(seed_dir);
	return remove_dir(state);
}

static bool opens(const char *name)
{
	struct database *database = database_open(name);

	database_close(database);
	return database != NULL;
}

static int64_t version(void)
{
	return number_of("notes", "PRAGMA user_version");
}

static int64_t notes(void)
{
	return number_of("notes", "SELECT count(*) FROM notes");
}

static void seed(const char *sql)
{
	setenv("SEED_DIR", seed_dir, 1);
	write_file("seed/notes.sql", sql);
}

static void test_steps_are_done_once(void **state)
{
	(void)state;
	write_file("notes.sql", STEP_1 STEP_2);
	assert_true(opens("notes"));
	assert_int_equal(version(), 2);
	assert_true(opens("notes"));
	assert_int_equal(version(), 2);
	assert_int_equal(number_of("notes", "SELECT count(*) FROM sqlite_schema"), 2);
}

/* Opens it as a cache, with a schema whose only table is defined by `columns`. Returns its number of rows. */
static int64_t rows_of_cache(const char *columns)
{
	char sql[300];

	snprintf(sql, sizeof(sql), "-- step 1: notes\nCREATE TABLE notes (%s) STRICT;\n", columns);
	write_file("notes.sql", sql);
	struct database *database = database_open_cache("notes");
	assert_non_null(database);
	database_close(database);
	return notes();
}

static void test_a_cache_outlives_another_comment(void **state)
{
	(void)state;
	assert_int_equal(rows_of_cache("id INTEGER PRIMARY KEY, -- a number\n text TEXT"), 0);
	run_outside("notes", "INSERT INTO notes (text) VALUES ('kept')");
	assert_int_equal(rows_of_cache("id INTEGER PRIMARY KEY, -- the number\n text  TEXT -- what it says\n"), 1);
	assert_int_equal(rows_of_cache("id INTEGER PRIMARY KEY, -- the number\n text  BLOB -- what it says\n"), 0);
}

static void test_an_older_database_is_brought_up(void **state)
{
	(void)state;
	write_file("notes.sql", STEP_1);
	assert_true(opens("notes"));
	assert_int_equal(version(), 1);
	run_outside("notes", "INSERT INTO notes (text) VALUES ('kept')");
	write_file("notes.sql", STEP_1 STEP_2);
	assert_true(opens("notes"));
	assert_int_equal(version(), 2);
	assert_int_equal(number_of("notes", "SELECT count(*) FROM notes WHERE text = 'KEPT'"), 1);
}

static void test_a_newer_database_is_refused(void **state)
{
	(void)state;
	write_file("notes.sql", STEP_1 STEP_2);
	assert_true(opens("notes"));
	write_file("notes.sql", STEP_1);
	assert_false(opens("notes"));
	assert_int_equal(version(), 2);
}

static void test_a_step_that_fails_changes_nothing(void **state)
{
	(void)state;
	write_file("notes.sql", STEP_1);
	assert_true(opens("notes"));
	write_file("notes.sql",
		   STEP_1 "-- step 2: broken\nCREATE TABLE other (id INTEGER) STRICT;\nCREATE NONSENSE;\n");
	assert_false(opens("notes"));
	assert_int_equal(version(), 1);
	assert_int_equal(number_of("notes", "SELECT count(*) FROM sqlite_schema"), 1);
	write_file("notes.sql", STEP_1 STEP_2);
	assert_true(opens("notes"));
	assert_int_equal(version(), 2);
}

static void test_a_step_must_not_end_its_transaction(void **state)
{
	(void)state;
	write_file("notes.sql", STEP_1);
	assert_true(opens("notes"));
	write_file("notes.sql", STEP_1 "-- step 2: commits by itself\nCOMMIT;\n");
	assert_false(opens("notes"));
	assert_int_equal(version(), 1);
}

static void test_schema_files_that_are_wrong(void **state)
{
	static const char *const wrong[] = {
		"",
		"CREATE TABLE notes (id INTEGER);\n", /* no step */
		"-- step 2: begins at two\nCREATE TABLE notes (id INTEGER);\n",
		(STEP_1 "-- step 1: again\nSELECT 1;\n"),
		(STEP_1 "-- step 3: one is missing\nSELECT 1;\n"),
		("CREATE TABLE early (id INTEGER);\n" STEP_1), /* before the first step */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		write_file("notes.sql", wrong[i]);
		assert_false(opens("notes"));
		assert_int_equal(number_of("notes", "SELECT count(*) FROM sqlite_schema"), 0);
	}
	assert_false(opens("unheard-of")); /* no such file */
	write_file("notes.sql", STEP_1);
	assert_true(opens("notes"));
}

static void test_a_database_of_another_program_is_not_touched(void **state)
{
	(void)state;
	run_outside("notes", "CREATE TABLE notes (other TEXT); INSERT INTO notes VALUES ('x')");
	write_file("notes.sql", STEP_1);
	seed("INSERT INTO notes (text) VALUES ('a')");
	assert_false(opens("notes"));
	assert_int_equal(notes(), 1);
}

static void test_the_seed_comes_with_a_new_database_only(void **state)
{
	(void)state;
	write_file("notes.sql", STEP_1);
	seed("INSERT INTO notes (text) VALUES ('a'), ('b')");
	assert_true(opens("notes"));
	assert_int_equal(notes(), 2);
	run_outside("notes", "DELETE FROM notes");
	assert_true(opens("notes"));
	write_file("notes.sql", STEP_1 STEP_2);
	assert_true(opens("notes"));
	assert_int_equal(notes(), 0);
}

static void test_a_seed_that_fails_leaves_the_database_new(void **state)
{
	(void)state;
	write_file("notes.sql", STEP_1 STEP_2);
	seed("INSERT INTO notes (text) VALUES ('a'); INSERT INTO nowhere VALUES (1)");
	assert_false(opens("notes"));
	assert_int_equal(number_of("notes", "SELECT count(*) FROM sqlite_schema"), 0);
	seed("INSERT INTO notes (text) VALUES ('a')");
	assert_true(opens("notes"));
	assert_int_equal(notes(), 1);
}

static void test_a_seed_is_optional(void **state)
{
	(void)state;
	setenv("SEED_DIR", seed_dir, 1);
	write_file("notes.sql", STEP_1);
	assert_true(opens("notes"));
	assert_int_equal(notes(), 0);
}

static void test_programs_that_start_at_once(void **state)
{
	pid_t children[6];

	(void)state;
	setenv("BUSY_TIMEOUT_MS", "20000", 1);
	write_file("notes.sql", STEP_1 STEP_2);
	seed("INSERT INTO notes (text) VALUES ('a')");
	for (int i = 0; i < 6; i++) {
		children[i] = fork();
		assert_true(children[i] >= 0);
		if (children[i] == 0)
			_exit(opens("notes") ? 0 : 1);
	}
	for (int i = 0; i < 6; i++) {
		int status;
		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(version(), 2);
	assert_int_equal(notes(), 1);
}

/* ---- what ships ---- */

static void test_the_shipped_schemas_and_seeds(void **state)
{
	char attach[1200];

	(void)state;
	setenv("SCHEMA_DIR", "db/schema", 1);
	setenv("SEED_DIR", "db/seed", 1);
	assert_true(opens("users") && opens("orders") && opens("notifications"));
	assert_true(number_of("users", "SELECT count(*) FROM users") >= 10);
	assert_true(number_of("orders", "SELECT count(*) FROM orders") >= 20);
	assert_int_equal(number_of("orders", "SELECT count(DISTINCT status) FROM orders"), 2);
	assert_int_equal(number_of("orders", "SELECT count(*) FROM outbox"), 0);

	/* They agree with each other: put them side by side. */
	sqlite3 *all = open_outside("users");
	snprintf(attach, sizeof(attach),
		 "ATTACH '%s/orders.db' AS o; ATTACH '%s/notifications.db' AS n;"
		 "CREATE TEMP TABLE wrong (what TEXT);"
		 "INSERT INTO wrong SELECT 'user' FROM o.orders WHERE user_id NOT IN (SELECT id FROM users);"
		 "INSERT INTO wrong SELECT 'order' FROM o.orders AS x WHERE 1 <> (SELECT count(*) FROM"
		 " n.notifications AS y WHERE y.order_id = x.id AND y.user_id = x.user_id AND"
		 " y.created_at > x.created_at);"
		 "INSERT INTO wrong SELECT 'future' FROM o.orders WHERE created_at > datetime('now')",
		 temporary, temporary);
	assert_int_equal(sqlite3_exec(all, attach, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_stmt *stmt;
	assert_int_equal(sqlite3_prepare_v2(all, "SELECT count(*) FROM wrong", -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	assert_int_equal(sqlite3_column_int(stmt, 0), 0);
	sqlite3_finalize(stmt);
	sqlite3_close(all);
}

int main(void)
{
#define MIGRATE_TEST(f) cmocka_unit_test_setup_teardown(f, make_dirs, remove_dirs)
	const struct CMUnitTest tests[] = {
		MIGRATE_TEST(test_programs_that_start_at_once),
		MIGRATE_TEST(test_steps_are_done_once),
		MIGRATE_TEST(test_a_cache_outlives_another_comment),
		MIGRATE_TEST(test_an_older_database_is_brought_up),
		MIGRATE_TEST(test_a_newer_database_is_refused),
		MIGRATE_TEST(test_a_step_that_fails_changes_nothing),
		MIGRATE_TEST(test_a_step_must_not_end_its_transaction),
		MIGRATE_TEST(test_schema_files_that_are_wrong),
		MIGRATE_TEST(test_a_database_of_another_program_is_not_touched),
		MIGRATE_TEST(test_the_seed_comes_with_a_new_database_only),
		MIGRATE_TEST(test_a_seed_that_fails_leaves_the_database_new),
		MIGRATE_TEST(test_a_seed_is_optional),
		MIGRATE_TEST(test_the_shipped_schemas_and_seeds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
