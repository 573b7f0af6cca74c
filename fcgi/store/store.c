#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/env.h"
#include "store/connection.h"
#include "store/db.h"

/* Readers are many (one a thread) and the kernel caches the file: a small cache each keeps the process small. */
#define READER_CACHE_KIB "64"
#define WRITER_CACHE_KIB "512"

static void log_open_failed(const struct store *store, const char *error, const char *remedy)
{
	tel_error("the database cannot be opened", tel_str("path", store->path), tel_str("error", error),
		  tel_str("remedy", remedy));
}

/* ---- connections ---- */

bool connection_exec(struct db *db, const char *sql)
{
	int rc = sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL);

	db->error_code = 0;
	if (rc != SQLITE_OK)
		connection_failed(db, rc);
	return rc == SQLITE_OK;
}

bool connection_int(struct db *db, const char *sql, int64_t *out)
{
	sqlite3_stmt *stmt;
	int rc = sqlite3_prepare_v2(db->sqlite, sql, -1, &stmt, NULL);

	db->error_code = 0;
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
		log_open_failed(store, db->sqlite ? sqlite3_errmsg(db->sqlite) : sqlite3_errstr(rc),
				"check that DATA_DIR exists and that this user may write there");
		db_close(db);
		return NULL;
	}
	sqlite3_extended_result_codes(db->sqlite, 1);
	sqlite3_busy_timeout(db->sqlite, (int)env_number(&busy_time_out));
	return db;
}

struct db *db_open(struct store *store)
{
	struct db *db = connection_open(store, 0);

	if (!db)
		return NULL;
	/* Checkpoints are the writer's alone: two connections that reset the WAL at once can corrupt it (before SQLite
	 * 3.51.3). */
	if (sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL) != SQLITE_OK ||
	    !connection_exec(db, "PRAGMA query_only = ON; PRAGMA wal_autocheckpoint = 0;"
				 "PRAGMA cache_size = -" READER_CACHE_KIB)) {
		log_open_failed(store, db->error_text, "check the file and its -wal and -shm beside it");
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

/* What durability rests on is set, then read back: SQLite ignores a PRAGMA that it does not know or cannot follow. */
static bool configure_writer(struct db *db)
{
	int64_t synchronous, foreign_keys;

	if (!set_wal(db) ||
	    !connection_exec(db, "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
				 "PRAGMA cache_size = -" WRITER_CACHE_KIB) ||
	    !connection_int(db, "PRAGMA synchronous", &synchronous) ||
	    !connection_int(db, "PRAGMA foreign_keys", &foreign_keys)) {
		log_open_failed(db->store, db->error_text,
				"end the program that holds the database, or check the file");
		return false;
	}
	if (!is_wal(db) || synchronous != 2 || foreign_keys != 1) {
		log_open_failed(db->store, "SQLite refuses WAL, synchronous=FULL or foreign_keys",
				"put DATA_DIR on a local file system");
		return false;
	}
	return true;
}

/* For the process. Connections are many and each runs few small statements: what SQLite sets aside for each would be
 * most of the memory. */
static void configure_sqlite(void)
{
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* threads would meet at the counter of every allocation */
	sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 128, 64);
	sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0); /* page by page, not 20 at once */
}

static struct store *store_new(const char *name)
{
	struct store *store = calloc(1, sizeof(*store));
	const char *directory = env_string("DATA_DIR", "db/data");

	if (!store)
		abort();
	store->name = name;
	if (snprintf(store->path, sizeof(store->path), "%s/%s.db", directory, name) >= (int)sizeof(store->path)) {
		tel_error("DATA_DIR is too long", tel_str("remedy", "set DATA_DIR to a shorter path"));
		free(store);
		return NULL;
	}
	mkdir(directory, 0777); /* if that fails, opening says why */
	writer_init(store);
	return store;
}

struct store *store_open(const char *name)
{
	struct store *store = store_new(name);

	if (!store)
		return NULL;
	statements_init();
	configure_sqlite();
	store->writer = connection_open(store, SQLITE_OPEN_CREATE);
	if (!store->writer || !configure_writer(store->writer) || !migrate(store)) {
		store_close(store);
		return NULL;
	}
	writer_start(store);
	return store;
}

bool store_forgo_durability(struct store *store)
{
	if (connection_exec(store->writer, "PRAGMA synchronous = NORMAL"))
		return true;
	tel_error("the database takes no setting", tel_str("path", store->path),
		  tel_str("error", store->writer->error_text));
	return false;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	if (store->writer)
		sqlite3_wal_checkpoint_v2(store->writer->sqlite, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	writer_done(store);
	db_close(store->writer);
	free(store);
}
