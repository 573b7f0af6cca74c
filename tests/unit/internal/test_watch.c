/* SPDX-License-Identifier: MIT */
/*
 * Whether a database is what it seems: it is one program's alone, its files are in their place, writes succeed; and
 * what a program says that cannot open it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "database/diagnosis.h"
#include "database/parts.h"
#include "database_fixture.h"
#include "fault_vfs.h"

static const char schema[] = "-- things\n\n-- step 1: things\n"
			     "CREATE TABLE things (id INTEGER PRIMARY KEY, size INTEGER) STRICT;\n";

DB_STATEMENT(insert_thing, "INSERT", "things", "INSERT INTO things (size) VALUES (1)");
DB_STATEMENT(count_things, "SELECT", "things", "SELECT count(*) FROM things");

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
	return 0;
}

static int close_store(void **state)
{
	db_connection_close(db);
	database_close(database);
	return remove_dir(state);
}

static enum db_result insert_job(struct db_connection *tx, void *arg)
{
	struct db_query q;

	(void)arg;
	db_query(&q, tx, &insert_thing);
	return db_end(&q);
}

static enum db_result insert(void)
{
	return db_write(database, &insert_thing, insert_job, NULL);
}

static enum db_result read_count(int64_t *count)
{
	struct db_query q;

	db_query(&q, db, &count_things);
	*count = db_next(&q) ? db_int(&q, 0) : -1;
	return db_end(&q);
}

/* A file of the database, or "other"; one of four buffers, in turn. */
static const char *file(const char *end)
{
	static char paths[4][600];
	static unsigned turn;
	char *path = paths[turn++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s%s", temporary, *end == 'o' ? "" : "things.db", end);
	return path;
}

static void move_away(const char *end)
{
	assert_int_equal(rename(file(end), file("other")), 0);
}

static void put_back(const char *end)
{
	assert_int_equal(rename(file("other"), file(end)), 0);
}

static bool unusable(const char *part)
{
	char text[512];

	return database_unusable(database, text, sizeof(text)) && strstr(text, part);
}

static bool is_unusable(void)
{
	return unusable("");
}

/* ---- one program ---- */

/* Another process opens it. */
static bool opens_elsewhere(void)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct database *other = database_open("things");
		database_close(other);
		_exit(other ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status == 0;
}

static void test_one_program_at_a_time(void **state)
{
	char linked[300];

	(void)state;
	assert_false(opens_elsewhere());
	snprintf(linked, sizeof(linked), "%s-link", temporary);
	assert_int_equal(symlink(temporary, linked), 0);
	setenv("DATA_DIR", linked, 1);
	assert_false(opens_elsewhere());
	unlink(linked);
	setenv("DATA_DIR", temporary, 1);
	assert_true(fcntl(database->location.lock.fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(insert(), DB_OK);

	db_connection_close(db);
	database_close(database);
	db = NULL;
	database = NULL;
	assert_true(opens_elsewhere());
}

static void test_a_removed_lock_is_put_back(void **state)
{
	char lock[600];

	(void)state;
	snprintf(lock, sizeof(lock), "%s/things.lock", temporary);
	assert_int_equal(unlink(lock), 0);
	WAIT_UNTIL(access(lock, F_OK) == 0, 10);
	assert_false(opens_elsewhere());
	assert_false(is_unusable());
}

static void test_a_lock_that_another_has_taken(void **state)
{
	char lock[600];

	(void)state;
	snprintf(lock, sizeof(lock), "%s/things.lock", temporary);
	struct database_lock other;
	pid_t holder;
	database_lock_init(&other, database->location.path);
	assert_int_equal(unlink(lock), 0);
	assert_int_equal(database_lock_take(&other, 0, &holder), 0);
	WAIT_UNTIL(unusable("another program has taken things.db"), 10);
	assert_int_equal(insert(), DB_UNAVAILABLE);
	database_lock_done(&other);
	WAIT_UNTIL(!is_unusable(), 10);
	assert_int_equal(insert(), DB_OK);
}

/* ---- files that are moved ---- */

static void test_writes_into_a_moved_file_are_refused(void **state)
{
	static const char *const ends[] = {"", "-wal"};
	int64_t count;

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(insert(), DB_OK);
		move_away(ends[i]);
		assert_int_equal(insert(), DB_UNAVAILABLE); /* at once, not after a second */
		assert_true(is_unusable());
		assert_int_equal(read_count(&count), DB_UNAVAILABLE);
		assert_null(db_connection_open(database));
		put_back(ends[i]);
		WAIT_UNTIL(!is_unusable(), 10);
		assert_int_equal(read_count(&count), DB_OK);
		assert_int_equal(count, i + 1); /* what was refused is not there */
	}
}

static enum db_result insert_and_move(struct db_connection *tx, void *arg)
{
	enum db_result result = insert_job(tx, arg);

	move_away("");
	return result;
}

static int move_in_commit(void *arg)
{
	(void)arg;
	move_away("");
	return 0;
}

static void test_a_file_that_is_moved_in_the_midst_of_a_write(void **state)
{
	int64_t count;

	(void)state;
	assert_int_equal(db_write(database, &insert_thing, insert_and_move, NULL), DB_UNAVAILABLE);
	put_back("");
	WAIT_UNTIL(!is_unusable(), 10);
	assert_int_equal(read_count(&count), DB_OK);
	assert_int_equal(count, 0);

	/* After the last look before the commit: it is done, but nobody hears that it is. */
	sqlite3_commit_hook(database->writer.db->sqlite, move_in_commit, NULL);
	assert_int_equal(insert(), DB_UNAVAILABLE);
	sqlite3_commit_hook(database->writer.db->sqlite, NULL, NULL);
	put_back("");
	WAIT_UNTIL(!is_unusable(), 10);
}

static void test_what_a_removed_log_held_is_saved(void **state)
{
	char copied[700];

	(void)state;
	for (int i = 0; i < 20; i++)
		assert_int_equal(insert(), DB_OK);
	assert_int_equal(unlink(file("-wal")), 0);
	WAIT_UNTIL(unusable("things.db-wal was moved or deleted") && database->vitals.rescued, 10);
	/* Alone, as after kill -9. */
	snprintf(copied, sizeof(copied), "cp %s %s/copied.db", file(""), temporary);
	assert_int_equal(system(copied), 0);
	assert_int_equal(number_of("copied", "SELECT count(*) FROM things"), 20);
}

static void test_a_look_is_cheap(void **state)
{
	enum { LOOKS = 20000 };
	uint64_t start_ns = clock_monotonic_ns();

	(void)state;
	for (int i = 0; i < LOOKS; i++)
		assert_true(vitals_look(&database->vitals));
	print_message("a look: %g us\n", (double)(clock_monotonic_ns() - start_ns) / 1e3 / LOOKS);
}

/* ---- writes that fail ---- */

static void test_a_full_disk_is_told_until_there_is_room(void **state)
{
	(void)state;
	fault_fail_write = true;
	assert_int_equal(insert(), DB_UNAVAILABLE);
	assert_true(unusable("Nothing can be stored in things.db: the disk is full."));
	nanosleep(&(struct timespec){.tv_sec = 1, .tv_nsec = 500000000}, NULL); /* it tries in vain meanwhile */
	assert_true(is_unusable());
	fault_fail_write = false;
	WAIT_UNTIL(!is_unusable(), 10);
	assert_int_equal(number_of("things", "SELECT count(*) FROM things"), 0);
	assert_int_equal(number_of("things", "PRAGMA user_version"), 1);
}

static void test_other_failures_say_nothing_of_the_disk(void **state)
{
	sqlite3 *other = open_outside("things");

	(void)state;
	assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(insert(), DB_BUSY);
	assert_false(is_unusable());
	sqlite3_close(other);
	vitals_failed(&database->vitals, SQLITE_ERROR, 0);
	vitals_failed(&database->vitals, SQLITE_CONSTRAINT_UNIQUE, 0);
	assert_false(is_unusable());
}

/* Nobody writes, so the watch has to find out by itself. */
static void test_a_lock_that_stays_is_told_until_it_is_gone(void **state)
{
	sqlite3 *other = open_outside("things");

	(void)state;
	assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	WAIT_UNTIL(unusable("Nothing can be stored in things.db: another process holds a lock on it. Remedy: end that"),
		   10);
	assert_int_equal(insert(), DB_BUSY);
	assert_true(is_unusable());
	assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	WAIT_UNTIL(!is_unusable(), 10);
	assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	WAIT_UNTIL(is_unusable(), 10);
	sqlite3_close(other);
	assert_int_equal(insert(), DB_OK);
	assert_false(is_unusable()); /* a write that succeeds is enough */
}

static void *insert_slowly(void *result)
{
	*(enum db_result *)result = insert();
	return NULL;
}

static void test_a_disk_that_does_not_answer_is_told(void **state)
{
	enum db_result result = DB_FAILED;
	pthread_t writer;

	(void)state;
	fault_hang_sync = true;
	assert_int_equal(pthread_create(&writer, NULL, insert_slowly, &result), 0);
	WAIT_UNTIL(unusable("Nothing can be stored in things.db: the disk has not answered for seconds. Remedy: "), 20);
	fault_hang_sync = false;
	pthread_join(writer, NULL);
	assert_int_equal(result, DB_OK);
	WAIT_UNTIL(!is_unusable(), 10);
}

static void test_damage_does_not_pass(void **state)
{
	(void)state;
	vitals_failed(&database->vitals, SQLITE_CORRUPT, 0);
	assert_int_equal(insert(), DB_OK);
	assert_true(unusable("The program cannot rely on things.db: it is damaged. Remedy: restore a backup"));
}

/* ---- why it is not opened ---- */

static char said[2048];

/* What database_open says on stderr. */
static bool refused_with(const char *part)
{
	char path[600];
	int before = dup(STDERR_FILENO);

	snprintf(path, sizeof(path), "%s/said", temporary);
	int out = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(before >= 0 && out >= 0);
	dup2(out, STDERR_FILENO);
	struct database *opened = database_open("things");
	dup2(before, STDERR_FILENO);
	ssize_t bytes = pread(out, said, sizeof(said) - 1, 0);
	said[bytes > 0 ? bytes : 0] = '\0';
	close(out);
	close(before);
	database_close(opened);
	if (!opened && strstr(said, part))
		return true;
	print_message("said: %s\n", said);
	return false;
}

static int make_schema(void **state)
{
	make_dir(state);
	write_file("things.sql", schema);
	return 0;
}

static void test_too_few_descriptors_are_named(void **state)
{
	struct rlimit limit, low;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	int next = dup(STDERR_FILENO);
	close(next);
	low = limit;
	low.rlim_cur = (rlim_t)next + 4; /* two for the test, one for the lock, one for the directory or the database */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	bool named = refused_with("the program may open no more files") && strstr(said, "ulimit -n");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_true(named);
}

static void test_what_is_in_its_place(void **state)
{
	(void)state;
	assert_int_equal(mkdir(file(""), 0700), 0);
	assert_true(refused_with("a directory is in its place"));
	assert_int_equal(rmdir(file("")), 0);
	assert_int_equal(symlink("/nonexistent/things.db", file("")), 0);
	assert_true(refused_with("its directory does not exist"));
	assert_int_equal(unlink(file("")), 0);
}

static void test_every_reason_has_a_remedy(void **state)
{
	static const int errors[] = {EMFILE, ENFILE, EACCES,  EPERM,  ENOSPC, EDQUOT, EFBIG,
				     EROFS,  ENOENT, ENOTDIR, EISDIR, ELOOP,  EIO,    ENODEV};
	static const int codes[] = {SQLITE_CORRUPT, SQLITE_NOTADB,          SQLITE_BUSY, SQLITE_FULL, SQLITE_IOERR_READ,
				    SQLITE_PERM,    SQLITE_READONLY_DBMOVED};

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		struct diagnosis of_call = diagnosis_of_errno(errors[i]);
		struct diagnosis of_open = diagnosis_of(SQLITE_CANTOPEN, errors[i], "/");
		assert_true(of_call.cause && of_call.remedy);
		assert_string_equal(of_call.cause, of_open.cause);
	}
	for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
		struct diagnosis found = diagnosis_of(codes[i], 0, "/");
		assert_true(found.cause && found.remedy);
	}
	assert_string_equal(diagnosis_of(SQLITE_IOERR_WRITE, ENOSPC, "/").cause,
			    diagnosis_of(SQLITE_FULL, 0, "/").cause);
	assert_null(diagnosis_of_errno(0).cause);
	assert_null(diagnosis_of(SQLITE_ERROR, 0, "/").cause);
}

int main(void)
{
#define WATCH_TEST(f) cmocka_unit_test_setup_teardown(f, open_store, close_store)
#define OPEN_TEST(f) cmocka_unit_test_setup_teardown(f, make_schema, remove_dir)
	const struct CMUnitTest tests[] = {
		WATCH_TEST(test_one_program_at_a_time),
		WATCH_TEST(test_a_removed_lock_is_put_back),
		WATCH_TEST(test_a_lock_that_another_has_taken),
		WATCH_TEST(test_writes_into_a_moved_file_are_refused),
		WATCH_TEST(test_a_file_that_is_moved_in_the_midst_of_a_write),
		WATCH_TEST(test_what_a_removed_log_held_is_saved),
		WATCH_TEST(test_a_look_is_cheap),
		WATCH_TEST(test_a_full_disk_is_told_until_there_is_room),
		WATCH_TEST(test_other_failures_say_nothing_of_the_disk),
		WATCH_TEST(test_a_lock_that_stays_is_told_until_it_is_gone),
		WATCH_TEST(test_a_disk_that_does_not_answer_is_told),
		WATCH_TEST(test_damage_does_not_pass),
		OPEN_TEST(test_too_few_descriptors_are_named),
		OPEN_TEST(test_what_is_in_its_place),
		cmocka_unit_test(test_every_reason_has_a_remedy),
	};
	fault_vfs_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
