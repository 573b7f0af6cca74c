/* SPDX-License-Identifier: MIT */
#include "database/connection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "database/operation.h"
#include "tel/tel.h"

/* Readers are many (one a thread) and the kernel caches the file: a small cache each keeps the process small. */
#define READER_CACHE_KIB "64"

void connection_failed(struct db_connection *db, int code)
{
	if (db->error_code)
		return;
	db->error_errno = errno;
	db->error_code = code;
	snprintf(db->error_text, sizeof(db->error_text), "%s", sqlite3_errmsg(db->sqlite));
}

void connection_moved(struct db_connection *db)
{
	db->error_code = SQLITE_READONLY_DBMOVED;
	snprintf(db->error_text, sizeof(db->error_text), "the database is not in its place");
}

bool connection_exec(struct db_connection *db, const char *sql)
{
	db->error_code = errno = 0;
	int code = sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL);
	if (code != SQLITE_OK)
		connection_failed(db, code);
	return code == SQLITE_OK;
}

bool connection_int(struct db_connection *db, const char *sql, int64_t *out)
{
	sqlite3_stmt *stmt;

	db->error_code = errno = 0;
	int code = sqlite3_prepare_v2(db->sqlite, sql, -1, &stmt, NULL);
	if (code == SQLITE_OK)
		code = sqlite3_step(stmt);
	if (code == SQLITE_ROW)
		*out = sqlite3_column_int64(stmt, 0);
	else
		connection_failed(db, code);
	sqlite3_finalize(stmt);
	return code == SQLITE_ROW;
}

struct db_connection *connection_new(struct vitals *vitals, const struct steady_clock *clock, int flags)
{
	struct db_connection *db = calloc(1, sizeof(*db));

	if (!db || !(db->statements = calloc(db_statement_count + 1, sizeof(sqlite3_stmt *))))
		abort();
	db->vitals = vitals;
	db->clock = clock;
	int code = sqlite3_open_v2(vitals->location->path, &db->sqlite,
				   SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | flags, NULL);
	if (code != SQLITE_OK) {
		errno = sqlite3_system_errno(db->sqlite);
		connection_failed(db, code);
		return db;
	}
	sqlite3_extended_result_codes(db->sqlite, 1);
	sqlite3_busy_timeout(db->sqlite, (int)database_lock_timeout_ms());
	return db;
}

/* The next request tries again to open a reader, so the log says why it failed, not for which one. */
static void log_reader_failed(const struct db_connection *db)
{
	const char *path = db->vitals->location->path;
	struct diagnosis diagnosis = diagnosis_of(db->error_code, db->error_errno, path);

	tel_error("the database cannot be opened", tel_str("path", path),
		  tel_str("error", diagnosis.cause ? diagnosis.cause : db->error_text),
		  tel_str("remedy",
			  diagnosis.remedy ? diagnosis.remedy : "check the file and its -wal and -shm beside it"));
}

/* Checkpoints are the writer's alone: two connections that reset the log at once can corrupt it (before SQLite 3.51.3).
 */
struct db_connection *connection_new_reader(struct vitals *vitals, const struct steady_clock *clock)
{
	struct db_connection *db = connection_new(vitals, clock, 0);

	if (!db->error_code && connection_leave_files(db) &&
	    connection_exec(db, "PRAGMA query_only = ON; PRAGMA wal_autocheckpoint = 0;"
				"PRAGMA cache_size = -" READER_CACHE_KIB))
		return db;
	log_reader_failed(db);
	connection_free(db);
	return NULL;
}

bool connection_leave_files(struct db_connection *db)
{
	return sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL) == SQLITE_OK;
}

void connection_free(struct db_connection *db)
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
