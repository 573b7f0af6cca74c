/* SPDX-License-Identifier: MIT */
#include "database/database.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "database/connection.h"
#include "database/trouble.h"

TEL_HISTOGRAM(duration_seconds, "db.client.operation.duration", "s", "Duration of store operations.", tel_db_bounds,
	      "db.operation.name", "db.collection.name");

struct db_statement *db_statements;
unsigned db_statement_count;

void db_statement_register(struct db_statement *statement)
{
	statement->index = db_statement_count++;
	statement->next = db_statements;
	db_statements = statement;
}

void statements_init(void)
{
	for (struct db_statement *s = db_statements; s; s = s->next)
		s->duration = tel_series(&duration_seconds, s->operation, s->collection);
}

/* ---- results ---- */

static const char *error_name(int code)
{
	switch (code & 0xff) {
	case SQLITE_BUSY: return "SQLITE_BUSY";
	case SQLITE_LOCKED: return "SQLITE_LOCKED";
	case SQLITE_CONSTRAINT: return "SQLITE_CONSTRAINT";
	case SQLITE_FULL: return "SQLITE_FULL";
	case SQLITE_IOERR: return "SQLITE_IOERR";
	case SQLITE_CORRUPT: return "SQLITE_CORRUPT";
	case SQLITE_NOTADB: return "SQLITE_NOTADB";
	case SQLITE_CANTOPEN: return "SQLITE_CANTOPEN";
	case SQLITE_READONLY: return "SQLITE_READONLY";
	case SQLITE_NOMEM: return "SQLITE_NOMEM";
	case SQLITE_PERM: return "SQLITE_PERM";
	case SQLITE_TOOBIG: return "SQLITE_TOOBIG";
	default: return "SQLITE_ERROR";
	}
}

enum db_result result_of(int rc)
{
	switch (rc) {
	case SQLITE_CONSTRAINT_UNIQUE:
	case SQLITE_CONSTRAINT_PRIMARYKEY:
	case SQLITE_CONSTRAINT_CHECK:
	case SQLITE_CONSTRAINT_FOREIGNKEY: return DB_CONFLICT;
	}
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE: return DB_OK;
	case SQLITE_BUSY:
	case SQLITE_LOCKED: return DB_BUSY;
	default: return trouble_is_of_disk(rc) ? DB_UNAVAILABLE : DB_FAILED;
	}
}

void connection_failed(struct db_connection *db, int rc)
{
	if (db->error_code)
		return;
	db->error_errno = errno;
	db->error_code = rc;
	snprintf(db->error_text, sizeof(db->error_text), "%s", sqlite3_errmsg(db->sqlite));
}

void connection_moved(struct db_connection *db)
{
	db->error_code = SQLITE_READONLY_DBMOVED;
	snprintf(db->error_text, sizeof(db->error_text), "the database is not in its place");
}

/* ---- the telemetry of an operation ---- */

void operation_start(struct db_operation *operation, const struct database *database, struct db_statement *statement)
{
	operation->statement = statement;
	operation->start_ns = clock_monotonic_ns();
	operation->traced = tel_context_valid(tel_span_context(tel_span_current()));
	if (!operation->traced)
		return;
	tel_span_start(&operation->span, statement->span_name, TEL_CLIENT);
	tel_span_set(&operation->span, tel_lit("db.system.name", "sqlite"), tel_lit("db.namespace", database->name),
		     tel_lit("db.operation.name", statement->operation),
		     tel_lit("db.collection.name", statement->collection), tel_lit("db.query.text", statement->sql));
}

static void log_failure(const struct db_operation *operation, const struct database *database, int code,
			const char *text)
{
	tel_error("store operation failed", tel_lit("db.namespace", database->name),
		  tel_lit("db.query.summary", operation->statement->span_name), tel_int("sqlite.code", code),
		  tel_str("error", text));
}

void operation_end(struct db_operation *operation, const struct database *database, enum db_result result, int code,
		   const char *text)
{
	double seconds = (double)(clock_monotonic_ns() - operation->start_ns) / 1e9;

	tel_series_record(operation->statement->duration, seconds, operation->traced ? &operation->span : NULL);
	/* That the database was moved is logged once, by its watch. */
	if (result == DB_FAILED || (result == DB_UNAVAILABLE && code != SQLITE_READONLY_DBMOVED))
		log_failure(operation, database, code, text);
	if (!operation->traced)
		return;
	if (code) {
		char number[16];
		snprintf(number, sizeof(number), "%d", code);
		tel_span_set(&operation->span, tel_str("db.response.status_code", number));
		tel_span_fail(&operation->span, error_name(code));
	}
	tel_span_end(&operation->span);
}

/* ---- queries ---- */

static sqlite3_stmt *prepared(struct db_connection *db, const struct db_statement *statement, int *rc)
{
	sqlite3_stmt **slot = &db->statements[statement->index];

	*rc = SQLITE_OK;
	if (!*slot)
		*rc = sqlite3_prepare_v3(db->sqlite, statement->sql, -1, SQLITE_PREPARE_PERSISTENT, slot, NULL);
	assert(!*slot || !sqlite3_stmt_busy(*slot)); /* a query that was not ended */
	return *slot;
}

void db_query(struct db_query *q, struct db_connection *db, struct db_statement *statement)
{
	q->db = db;
	q->bound = 0;
	if (!db->in_transaction) {
		operation_start(&q->operation, db->database, statement);
		db->error_code = 0;
		if (!watch_in_place(db->database)) {
			connection_moved(db);
			q->stmt = NULL;
			q->rc = db->error_code;
			return;
		}
	}
	errno = 0;
	q->stmt = prepared(db, statement, &q->rc);
	if (q->rc != SQLITE_OK)
		connection_failed(db, q->rc);
}

static bool may_bind(struct db_query *q)
{
	q->bound++;
	return q->rc == SQLITE_OK;
}

static void bound(struct db_query *q, int rc)
{
	q->rc = rc;
	if (rc != SQLITE_OK)
		connection_failed(q->db, rc);
}

void db_bind_int(struct db_query *q, int64_t value)
{
	if (may_bind(q))
		bound(q, sqlite3_bind_int64(q->stmt, q->bound, value));
}

void db_bind_text(struct db_query *q, const char *text)
{
	if (may_bind(q))
		bound(q, sqlite3_bind_text(q->stmt, q->bound, text, -1, SQLITE_STATIC));
}

void db_bind_bytes(struct db_query *q, const void *data, size_t bytes)
{
	if (may_bind(q))
		bound(q, sqlite3_bind_blob64(q->stmt, q->bound, bytes ? data : "", bytes, SQLITE_STATIC));
}

bool db_next(struct db_query *q)
{
	if (q->rc != SQLITE_OK && q->rc != SQLITE_ROW)
		return false;
	errno = 0;
	q->rc = sqlite3_step(q->stmt);
	if (q->rc != SQLITE_ROW && q->rc != SQLITE_DONE)
		connection_failed(q->db, q->rc);
	return q->rc == SQLITE_ROW;
}

int64_t db_int(struct db_query *q, int column)
{
	return sqlite3_column_int64(q->stmt, column);
}

const char *db_text(struct db_query *q, int column)
{
	const unsigned char *text = sqlite3_column_text(q->stmt, column);

	return text ? (const char *)text : "";
}

const void *db_bytes(struct db_query *q, int column, size_t *bytes)
{
	const void *data = sqlite3_column_blob(q->stmt, column);

	*bytes = (size_t)sqlite3_column_bytes(q->stmt, column);
	return data ? data : "";
}

void db_copy(struct db_query *q, int column, char *out, size_t size)
{
	snprintf(out, size, "%s", db_text(q, column));
}

enum db_result db_end(struct db_query *q)
{
	/* INSERT … RETURNING is durable only after its last step */
	while (db_next(q))
		;
	if (q->stmt) {
		sqlite3_reset(q->stmt);
		sqlite3_clear_bindings(q->stmt); /* they point at the caller's text */
	}
	enum db_result result = result_of(q->rc);
	if (trouble_is_damage(q->rc))
		watch_failed(q->db->database, q->rc, 0);
	if (!q->db->in_transaction)
		operation_end(&q->operation, q->db->database, result, q->db->error_code, q->db->error_text);
	return result;
}

int64_t db_inserted_id(struct db_connection *tx)
{
	return sqlite3_last_insert_rowid(tx->sqlite);
}

int64_t db_changes(struct db_connection *db)
{
	return sqlite3_changes64(db->sqlite);
}

/* ---- time ---- */

int64_t db_now_ms(void)
{
	return (int64_t)(clock_realtime_ns() / NS_PER_MS);
}

void db_time(int64_t unix_ms, char *out)
{
	_Static_assert(DB_TIME_SIZE >= CLOCK_RFC3339_SIZE, "the time fits");
	clock_rfc3339(unix_ms > 0 ? (uint64_t)unix_ms * NS_PER_MS : 0, 3, out);
}
