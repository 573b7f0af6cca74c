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

#define CHECK_NS UINT64_C(250000000) /* what the check of the file may take at a start, in which requests wait */
#define CHECK_STEPS 1000             /* of SQLite's machine between two looks at the clock */

/* ---- connections ---- */

bool connection_exec(struct db *db, const char *sql)
{
	db->error_code = errno = 0;
	int rc = sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL);
	if (rc != SQLITE_OK)
		connection_failed(db, rc);
	return rc == SQLITE_OK;
}

bool connection_int(struct db *db, const char *sql, int64_t *out)
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

struct db *connection_open(struct store *store, int flags)
{
	struct db *db = calloc(1, sizeof(*db));

	if (!db)
		abort();
	db->store = store;
	db->statements = calloc(db_statement_count + 1, sizeof(sqlite3_stmt *));
	if (!db->statements)
		abort();
	int rc = sqlite3_open_v2(store->path, &db->sqlite, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | flags, NULL);
	if (rc != SQLITE_OK) {
		store_refuse_code(store, db->sqlite, rc);
		db_close(db);
		return NULL;
	}
	sqlite3_extended_result_codes(db->sqlite, 1);
	sqlite3_busy_timeout(db->sqlite, (int)busy_time_out_ms());
	return db;
}

/* One that is not opened is asked for again with the next request: what is logged is the reason, not its number. */
static void log_reader_failed(const struct db *db)
{
	const char *path = db->store->path;
	struct trouble trouble = trouble_of(db->error_code, db->error_errno, path);

	tel_error(
		"the database cannot be opened", tel_str("path", path),
		tel_str("error", trouble.what ? trouble.what : db->error_text),
		tel_str("remedy", trouble.remedy ? trouble.remedy : "check the file and its -wal and -shm beside it"));
}

static struct db *reader_open(struct store *store)
{
	struct db *db = connection_open(store, 0);

	if (!db)
		return NULL;
	/* Checkpoints are the writer's alone: two connections that reset the WAL at once can corrupt it (before SQLite
	 * 3.51.3). */
	if (sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL) != SQLITE_OK ||
	    !connection_exec(db, "PRAGMA query_only = ON; PRAGMA wal_autocheckpoint = 0;"
				 "PRAGMA cache_size = -" READER_CACHE_KIB)) {
		log_reader_failed(db);
		db_close(db);
		return NULL;
	}
	return db;
}

struct db *db_open(struct store *store)
{
	struct db *db = watch_look(store) ? reader_open(store) : NULL;

	if (db && !watch_look(store)) { /* it may be another file's */
		db_close(db);
		return NULL;
	}
	return db;
}

void db_close(struct db *db)
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

bool db_ready(struct db *db)
{
	int64_t tables;

	return connection_int(db, "SELECT count(*) FROM sqlite_schema", &tables);
}

/* ---- the database ---- */

/* Two programs that start at once: the change to WAL does not wait for a lock by itself. */
static bool set_wal(struct db *db)
{
	uint64_t deadline_ns = clock_monotonic_ns() + UINT64_C(5000000000);

	while (!connection_exec(db, "PRAGMA journal_mode = WAL")) {
		if (result_of(db->error_code) != DB_BUSY || clock_monotonic_ns() > deadline_ns)
			return false;
		clock_sleep_until(clock_monotonic_ns() + 10000000);
	}
	return true;
}

static bool is_wal(struct db *db)
{
	sqlite3_stmt *stmt;
	bool wal = sqlite3_prepare_v2(db->sqlite, "PRAGMA journal_mode", -1, &stmt, NULL) == SQLITE_OK &&
		   sqlite3_step(stmt) == SQLITE_ROW && strcmp((const char *)sqlite3_column_text(stmt, 0), "wal") == 0;

	sqlite3_finalize(stmt);
	return wal;
}

static bool refuse_writer(struct db *db)
{
	return store_refuse_code(db->store, db->sqlite, db->error_code);
}

/* What durability rests on is set, then read back: SQLite ignores a PRAGMA that it does not know or cannot follow. */
static bool configure_writer(struct db *db)
{
	int64_t synchronous, foreign_keys;

	if (sqlite3_db_readonly(db->sqlite, "main")) /* SQLite opens what it may not write all the same */
		return store_refuse_code(db->store, NULL, SQLITE_READONLY);
	if (!set_wal(db) ||
	    !connection_exec(db, "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
				 "PRAGMA journal_size_limit = " NUMBER(
					 WAL_LIMIT_BYTES) ";"
							  "PRAGMA cache_size = -" WRITER_CACHE_KIB) ||
	    !connection_int(db, "PRAGMA synchronous", &synchronous) ||
	    !connection_int(db, "PRAGMA foreign_keys", &foreign_keys))
		return refuse_writer(db);
	if (!is_wal(db) || synchronous != 2 || foreign_keys != 1)
		return store_refuse(db->store, false, "put DATA_DIR on a local file system",
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
static bool check_content(struct db *db)
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
		ok = store_refuse(db->store, true, trouble_of(SQLITE_CORRUPT, 0, NULL).remedy, "it is damaged (%s)",
				  found);
	else if (rc != SQLITE_ROW && (rc & 0xff) != SQLITE_INTERRUPT)
		ok = store_refuse_code(db->store, db->sqlite, rc);
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

static struct store *store_new(const char *name, bool cache)
{
	struct store *store = calloc(1, sizeof(*store));

	if (!store)
		abort();
	store->name = name;
	store->cache = cache;
	store->lock_file.fd = -1;
	writer_init(store);
	return store;
}

/* SQLite would merge the log at the end and remove it by its name, which by now may be that of another file. */
static void leave_files(struct db *db)
{
	sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
}

static bool open_writer(struct store *store)
{
	store->writer = connection_open(store, SQLITE_OPEN_CREATE);
	if (store->writer && configure_writer(store->writer) && check_content(store->writer) && migrate(store)) {
		steady_start(store);
		return true;
	}
	if (store->writer && store->refusal.damaged)
		leave_files(store->writer);
	db_close(store->writer);
	store->writer = NULL;
	return false;
}

static bool start_watch(struct store *store)
{
	if (!watch_init(store))
		return store_refuse(store, false, "see who moves the files in DATA_DIR, and start again",
				    "its files were moved while it was opened");
	store_lock_describe(&store->lock_file, store->watch.files);
	wal_start(store);
	int error = watch_start(store);
	return !error || store_refuse(store, false, "see the limit of threads (ulimit -u, TasksMax=)",
				      "no thread can be started: %s", strerror(-error));
}

static void say_refused(const struct store *store)
{
	const struct refusal *refusal = &store->refusal;

	fprintf(stderr, "%s: the database %s cannot be opened: %s. Remedy: %s.\n", program_invocation_short_name,
		store->given_path, refusal->error, refusal->remedy);
	tel_error("the database cannot be opened", tel_str("path", store->given_path), tel_str("error", refusal->error),
		  tel_str("remedy", refusal->remedy));
}

static struct store *open_store(const char *name, bool cache)
{
	struct store *store = store_new(name, cache);

	statements_init();
	configure_sqlite();
	bool opened = place_take(store) && open_writer(store);
	if (!opened && cache && store->refusal.damaged)
		opened = place_clear(store) && open_writer(store);
	if (opened && start_watch(store))
		return store;
	say_refused(store);
	store_close(store);
	return NULL;
}

struct store *store_open(const char *name)
{
	return open_store(name, false);
}

struct store *store_open_cache(const char *name)
{
	return open_store(name, true);
}

bool store_trouble(struct store *store, char *out, size_t size)
{
	return watch_trouble(store, out, size);
}

void store_close(struct store *store)
{
	if (!store)
		return;
	if (store->watch.started) {
		watch_look(store);
		watch_stop(store);
		if (watch_log_lost(store))
			writer_try(store); /* saves what is in it */
		if (watch_in_place(store))
			wal_empty(store);
		else
			leave_files(store->writer);
	}
	writer_done(store);
	db_close(store->writer);
	store_lock_drop(&store->lock_file);
	free(store);
}
