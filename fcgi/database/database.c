/* SPDX-License-Identifier: MIT */
#include "database/database.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "database/migration.h"
#include "database/parts.h"

#define WRITER_CACHE_KIB "512"

#define NUMBER(macro) NUMBER_TEXT(macro)
#define NUMBER_TEXT(number) #number

#define CHECK_NS (250 * NS_PER_MS) /* for so long a start may check the file, while requests wait */
#define CHECK_STEPS 1000           /* of SQLite's machine between two looks at the clock */

#define STOP_MAX_MS INT64_C(3600000) /* of the clock */

/* ---- opening ---- */

/* When two programs start at once, the change to WAL does not wait for a lock by itself. */
static bool set_wal(struct db_connection *db)
{
	uint64_t deadline_ns = clock_monotonic_ns() + (5 * NS_PER_SECOND);

	while (!connection_exec(db, "PRAGMA journal_mode = WAL")) {
		if (db_result_of(db->error_code) != DB_BUSY || clock_monotonic_ns() > deadline_ns)
			return false;
		clock_sleep_until(clock_monotonic_ns() + 10 * NS_PER_MS);
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

/* Reads back the settings that durability rests on: SQLite ignores a PRAGMA that it does not know or cannot follow. */
static bool configure(struct db_connection *db, struct refusal *refusal)
{
	const char *path = db->vitals->location->path;
	int64_t synchronous, foreign_keys;

	if (sqlite3_db_readonly(db->sqlite, "main")) /* SQLite opens what it may not write all the same */
		return refusal_set_code(refusal, path, NULL, SQLITE_READONLY);
	if (!set_wal(db) ||
	    !connection_exec(db, "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
				 "PRAGMA journal_size_limit = " NUMBER(
					 WAL_LIMIT_BYTES) ";"
							  "PRAGMA cache_size = -" WRITER_CACHE_KIB) ||
	    !connection_int(db, "PRAGMA synchronous", &synchronous) ||
	    !connection_int(db, "PRAGMA foreign_keys", &foreign_keys))
		return refusal_set_code(refusal, path, db->sqlite, db->error_code);
	if (!is_wal(db) || synchronous != 2 || foreign_keys != 1)
		return refusal_set(refusal, false, "put DATA_DIR on a local file system",
				   "SQLite refuses WAL, synchronous=FULL or foreign_keys");
	return true;
}

static int time_is_up(void *deadline_ns)
{
	return clock_monotonic_ns() > *(uint64_t *)deadline_ns;
}

/*
 * Looks for damage for CHECK_NS, which suffices for some 100 MB. A program that starts on a damaged file would answer
 * some requests and fail others, and could make the damage worse.
 */
static bool check_content(struct db_connection *db, struct refusal *refusal)
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
		ok = refusal_set(refusal, true, diagnosis_of(SQLITE_CORRUPT, 0, NULL).remedy, "it is damaged (%s)",
				 found);
	else if (rc != SQLITE_ROW && (rc & 0xff) != SQLITE_INTERRUPT)
		ok = refusal_set_code(refusal, db->vitals->location->path, db->sqlite, rc);
	sqlite3_finalize(stmt);
	sqlite3_progress_handler(db->sqlite, 0, NULL, NULL);
	return ok;
}

/*
 * Configures SQLite for the process. Connections are many and each runs few small statements: the memory that SQLite
 * sets aside for each by default would be most of what the process uses.
 */
static void configure_sqlite(void)
{
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* threads would meet at the counter of every allocation */
	sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 128, 64);
	sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0); /* page by page, not 20 at once */
}

static struct database *database_new(const char *name, bool cache)
{
	struct database *database = calloc(1, sizeof(*database));

	if (!database)
		abort();
	location_init(&database->location, name, cache);
	vitals_init(&database->vitals, &database->location);
	writer_init(&database->writer, &database->vitals);
	return database;
}

static bool open_writer(struct database *database)
{
	struct db_connection *db = connection_new(&database->vitals, &database->clock, SQLITE_OPEN_CREATE);
	struct refusal *refusal = &database->refusal;

	if (db->error_code)
		refusal_set_code(refusal, database->location.path, db->sqlite, db->error_code);
	else if (configure(db, refusal) && check_content(db, refusal) && migration_run(db, refusal)) {
		steady_clock_start(&database->clock, db, database->location.cache ? INT64_MAX : STOP_MAX_MS);
		database->writer.db = db;
		return true;
	}
	if (refusal->damaged)
		connection_leave_files(db);
	connection_free(db);
	return false;
}

static bool start_watch(struct database *database)
{
	struct refusal *refusal = &database->refusal;

	if (!vitals_note_files(&database->vitals))
		return refusal_set(refusal, false, "see who moves the files in DATA_DIR, and start again",
				   "its files were moved while it was opened");
	database_lock_describe(&database->location.lock, database->vitals.files);
	wal_start(&database->writer.wal, database->writer.db->sqlite);
	int error = watch_start(&database->watch, &database->writer, &database->clock);
	return !error || refusal_set(refusal, false, "see the limit of threads (ulimit -u, TasksMax=)",
				     "no thread can be started: %s", strerror(-error));
}

static void report_refusal(const struct database *database)
{
	const struct refusal *refusal = &database->refusal;
	const char *path = database->location.given_path;

	fprintf(stderr, "%s: the database %s cannot be opened: %s. Remedy: %s.\n", program_invocation_short_name, path,
		refusal->error, refusal->remedy);
	tel_error("the database cannot be opened", tel_str("path", path), tel_str("error", refusal->error),
		  tel_str("remedy", refusal->remedy));
}

static struct database *open_database(const char *name, bool cache)
{
	struct database *database = database_new(name, cache);
	struct location *location = &database->location;
	struct refusal *refusal = &database->refusal;

	db_operation_declare();
	configure_sqlite();
	bool opened = location_take(location, refusal) && open_writer(database);
	if (!opened && cache && refusal->damaged)
		opened = location_clear(location, refusal) && open_writer(database);
	if (opened && start_watch(database))
		return database;
	report_refusal(database);
	database_close(database);
	return NULL;
}

struct database *database_open(const char *name)
{
	return open_database(name, false);
}

struct database *database_open_cache(const char *name)
{
	return open_database(name, true);
}

/* Finishes what the writer has to do. By now the path of the log may be that of another file. */
static void settle(struct database *database)
{
	struct writer *writer = &database->writer;

	vitals_look(&database->vitals);
	watch_stop(&database->watch);
	if (vitals_log_lost(&database->vitals))
		writer_try(writer); /* saves the content of the log */
	if (!vitals_in_place(&database->vitals)) {
		connection_leave_files(writer->db);
		return;
	}
	if (database->clock.kept)
		writer_run(writer, steady_clock_keep, &database->clock);
	wal_empty(&writer->wal);
}

void database_close(struct database *database)
{
	if (!database)
		return;
	if (database->watch.started)
		settle(database);
	writer_done(&database->writer);
	location_done(&database->location);
	free(database);
}

/* ---- an open database ---- */

bool database_forgo_durability(struct database *database)
{
	return writer_forgo_durability(&database->writer);
}

bool database_unusable(struct database *database, char *out, size_t size)
{
	return vitals_unusable(&database->vitals, out, size);
}

int64_t database_steady_ms(const struct database *database)
{
	return steady_clock_now_ms(&database->clock);
}

int64_t db_steady_ms(const struct db_connection *db)
{
	return steady_clock_now_ms(db->clock);
}

struct db_connection *db_connection_open(struct database *database)
{
	if (!vitals_look(&database->vitals))
		return NULL;
	struct db_connection *db = connection_new_reader(&database->vitals, &database->clock);
	if (db && !vitals_look(&database->vitals)) { /* it may be another file's */
		connection_free(db);
		return NULL;
	}
	return db;
}

void db_connection_close(struct db_connection *db)
{
	connection_free(db);
}

bool db_ready(struct db_connection *db)
{
	int64_t tables;

	return connection_int(db, "SELECT count(*) FROM sqlite_schema", &tables);
}

enum db_result db_write(struct database *database, struct db_statement *main_statement, db_job *job, void *arg)
{
	return writer_write(&database->writer, main_statement, job, arg);
}
