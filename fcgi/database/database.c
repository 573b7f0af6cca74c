/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/env.h"
#include "database/connection.h"
#include "database/trouble.h"

/* Readers are many (one a thread) and the kernel caches the file: a small cache each keeps the process small. */
#define READER_CACHE_KIB "64"
#define WRITER_CACHE_KIB "512"

#define NUMBER(macro) NUMBER_TEXT(macro)
#define NUMBER_TEXT(number) #number

#define CHECK_NS (250 * NS_PER_MS) /* what the check of the file may take at a start, in which requests wait */
#define CHECK_STEPS 1000           /* of SQLite's machine between two looks at the clock */

/* ---- connections ---- */

bool connection_exec(struct db_connection *db, const char *sql)
{
	db->error_code = errno = 0;
	int rc = sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL);
	if (rc != SQLITE_OK)
		connection_failed(db, rc);
	return rc == SQLITE_OK;
}

bool connection_int(struct db_connection *db, const char *sql, int64_t *out)
{
	sqlite3_stmt *stmt;

	db->error_code = errno = 0;
	int rc = sqlite3_prepare_v2(db->sqlite, sql, -1, &stmt, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		*out = sqlite3_column_int64(stmt, 0);
	else
		connection_failed(db, rc);
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW;
}

ENV_SETTING(busy_time_out, .name = "BUSY_TIMEOUT_MS", .unit = "milliseconds", .fallback = 1000, .max = 60000);

unsigned busy_time_out_ms(void)
{
	return (unsigned)env_number(&busy_time_out);
}

struct db_connection *connection_open(struct database *database, int flags)
{
	struct db_connection *db = calloc(1, sizeof(*db));

	if (!db)
		abort();
	db->database = database;
	db->statements = calloc(db_statement_count + 1, sizeof(sqlite3_stmt *));
	if (!db->statements)
		abort();
	int rc = sqlite3_open_v2(database->path, &db->sqlite, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | flags,
				 NULL);
	if (rc != SQLITE_OK) {
		database_refuse_code(database, db->sqlite, rc);
		db_connection_close(db);
		return NULL;
	}
	sqlite3_extended_result_codes(db->sqlite, 1);
	sqlite3_busy_timeout(db->sqlite, (int)busy_time_out_ms());
	return db;
}

/* One that is not opened is asked for again with the next request: what is logged is the reason, not its number. */
static void log_reader_failed(const struct db_connection *db)
{
	const char *path = db->database->path;
	struct trouble trouble = trouble_of(db->error_code, db->error_errno, path);

	tel_error(
		"the database cannot be opened", tel_str("path", path),
		tel_str("error", trouble.what ? trouble.what : db->error_text),
		tel_str("remedy", trouble.remedy ? trouble.remedy : "check the file and its -wal and -shm beside it"));
}

static struct db_connection *reader_open(struct database *database)
{
	struct db_connection *db = connection_open(database, 0);

	if (!db)
		return NULL;
	/* Checkpoints are the writer's alone: two connections that reset the WAL at once can corrupt it (before SQLite
	 * 3.51.3). */
	if (sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL) != SQLITE_OK ||
	    !connection_exec(db, "PRAGMA query_only = ON; PRAGMA wal_autocheckpoint = 0;"
				 "PRAGMA cache_size = -" READER_CACHE_KIB)) {
		log_reader_failed(db);
		db_connection_close(db);
		return NULL;
	}
	return db;
}

struct db_connection *db_connection_open(struct database *database)
{
	struct db_connection *db = watch_look(database) ? reader_open(database) : NULL;

	if (db && !watch_look(database)) { /* it may be another file's */
		db_connection_close(db);
		return NULL;
	}
	return db;
}

void db_connection_close(struct db_connection *db)
{
	if (!db)
		return;
	for (unsigned i = 0; i < db_statement_count; i++)
		sqlite3_finalize(db->statements[i]);
	if (sqlite3_close(db->sqlite) != SQLITE_OK)
		abort(); /* a query that was not ended */
	free(db->statements);
	free(db);
}

bool db_ready(struct db_connection *db)
{
	int64_t tables;

	return connection_int(db, "SELECT count(*) FROM sqlite_schema", &tables);
}

/* ---- the database ---- */

/* Two programs that start at once: the change to WAL does not wait for a lock by itself. */
static bool set_wal(struct db_connection *db)
{
	uint64_t deadline_ns = clock_monotonic_ns() + (5 * NS_PER_SECOND);

	while (!connection_exec(db, "PRAGMA journal_mode = WAL")) {
		if (result_of(db->error_code) != DB_BUSY || clock_monotonic_ns() > deadline_ns)
			return false;
		clock_sleep_until(clock_monotonic_ns() + 10000000);
	}
	return true;
}

static bool is_wal(struct db_connection *db)
{
	sqlite3_stmt *stmt;
	bool wal = sqlite3_prepare_v2(db->sqlite, "PRAGMA journal_mode", -1, &stmt, NULL) == SQLITE_OK &&
		   sqlite3_step(stmt) == SQLITE_ROW && strcmp((const char *)sqlite3_column_text(stmt, 0), "wal") == 0;

	sqlite3_finalize(stmt);
	return wal;
}

static bool refuse_writer(struct db_connection *db)
{
	return database_refuse_code(db->database, db->sqlite, db->error_code);
}

/* What durability rests on is set, then read back: SQLite ignores a PRAGMA that it does not know or cannot follow. */
static bool configure_writer(struct db_connection *db)
{
	int64_t synchronous, foreign_keys;

	if (sqlite3_db_readonly(db->sqlite, "main")) /* SQLite opens what it may not write all the same */
		return database_refuse_code(db->database, NULL, SQLITE_READONLY);
	if (!set_wal(db) ||
	    !connection_exec(db, "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
				 "PRAGMA journal_size_limit = " NUMBER(
					 WAL_LIMIT_BYTES) ";"
							  "PRAGMA cache_size = -" WRITER_CACHE_KIB) ||
	    !connection_int(db, "PRAGMA synchronous", &synchronous) ||
	    !connection_int(db, "PRAGMA foreign_keys", &foreign_keys))
		return refuse_writer(db);
	if (!is_wal(db) || synchronous != 2 || foreign_keys != 1)
		return database_refuse(db->database, false, "put DATA_DIR on a local file system",
				       "SQLite refuses WAL, synchronous=FULL or foreign_keys");
	return true;
}

static int time_is_up(void *deadline_ns)
{
	return clock_monotonic_ns() > *(uint64_t *)deadline_ns;
}

/*
 * Looks for damage, as far as the time reaches: some 100 MB. A program that starts on a damaged file would answer some
 * requests and fail others, and could make the damage worse.
 */
static bool check_content(struct db_connection *db)
{
	uint64_t deadline_ns = clock_monotonic_ns() + CHECK_NS;
	sqlite3_stmt *stmt = NULL;
	bool ok = true;

	sqlite3_progress_handler(db->sqlite, CHECK_STEPS, time_is_up, &deadline_ns);
	int rc = sqlite3_prepare_v2(db->sqlite, "PRAGMA quick_check(1)", -1, &stmt, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	const char *found = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
	if (found && strcmp(found, "ok") != 0)
		ok = database_refuse(db->database, true, trouble_of(SQLITE_CORRUPT, 0, NULL).remedy,
				     "it is damaged (%s)", found);
	else if (rc != SQLITE_ROW && (rc & 0xff) != SQLITE_INTERRUPT)
		ok = database_refuse_code(db->database, db->sqlite, rc);
	sqlite3_finalize(stmt);
	sqlite3_progress_handler(db->sqlite, 0, NULL, NULL);
	return ok;
}

/* For the process. Connections are many and each runs few small statements: what SQLite sets aside for each would be
 * most of the memory. */
static void configure_sqlite(void)
{
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* threads would meet at the counter of every allocation */
	sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 128, 64);
	sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0); /* page by page, not 20 at once */
}

static struct database *store_new(const char *name, bool cache)
{
	struct database *database = calloc(1, sizeof(*database));

	if (!database)
		abort();
	database->name = name;
	database->cache = cache;
	database->lock_file.fd = -1;
	writer_init(database);
	return database;
}

/* SQLite would merge the log at the end and remove it by its name, which by now may be that of another file. */
static void leave_files(struct db_connection *db)
{
	sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
}

static bool open_writer(struct database *database)
{
	database->writer = connection_open(database, SQLITE_OPEN_CREATE);
	if (database->writer && configure_writer(database->writer) && check_content(database->writer) &&
	    migrate(database)) {
		steady_start(database);
		return true;
	}
	if (database->writer && database->refusal.damaged)
		leave_files(database->writer);
	db_connection_close(database->writer);
	database->writer = NULL;
	return false;
}

static bool start_watch(struct database *database)
{
	if (!watch_init(database))
		return database_refuse(database, false, "see who moves the files in DATA_DIR, and start again",
				       "its files were moved while it was opened");
	database_lock_describe(&database->lock_file, database->watch.files);
	wal_start(database);
	int error = watch_start(database);
	return !error || database_refuse(database, false, "see the limit of threads (ulimit -u, TasksMax=)",
					 "no thread can be started: %s", strerror(-error));
}

static void say_refused(const struct database *database)
{
	const struct refusal *refusal = &database->refusal;

	fprintf(stderr, "%s: the database %s cannot be opened: %s. Remedy: %s.\n", program_invocation_short_name,
		database->given_path, refusal->error, refusal->remedy);
	tel_error("the database cannot be opened", tel_str("path", database->given_path),
		  tel_str("error", refusal->error), tel_str("remedy", refusal->remedy));
}

static struct database *open_store(const char *name, bool cache)
{
	struct database *database = store_new(name, cache);

	statements_init();
	configure_sqlite();
	bool opened = place_take(database) && open_writer(database);
	if (!opened && cache && database->refusal.damaged)
		opened = place_clear(database) && open_writer(database);
	if (opened && start_watch(database))
		return database;
	say_refused(database);
	database_close(database);
	return NULL;
}

struct database *database_open(const char *name)
{
	return open_store(name, false);
}

struct database *database_open_cache(const char *name)
{
	return open_store(name, true);
}

bool database_trouble(struct database *database, char *out, size_t size)
{
	return watch_trouble(database, out, size);
}

void database_close(struct database *database)
{
	if (!database)
		return;
	if (database->watch.started) {
		watch_look(database);
		watch_stop(database);
		if (watch_log_lost(database))
			writer_try(database); /* saves what is in it */
		if (watch_in_place(database))
			wal_empty(database);
		else
			leave_files(database->writer);
	}
	writer_done(database);
	db_connection_close(database->writer);
	database_lock_drop(&database->lock_file);
	free(database);
}
