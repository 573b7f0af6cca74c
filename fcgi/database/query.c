/* SPDX-License-Identifier: MIT */
#include "database/query.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "database/connection.h"

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
		db_operation_start(&q->operation, db->vitals->location->name, statement);
		db->error_code = 0;
		if (!vitals_in_place(db->vitals)) {
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

void db_bind_bytes(struct db_query *q, const void *data, size_t len)
{
	if (may_bind(q))
		bound(q, sqlite3_bind_blob64(q->stmt, q->bound, len ? data : "", len, SQLITE_STATIC));
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

const void *db_bytes(struct db_query *q, int column, size_t *len)
{
	const void *data = sqlite3_column_blob(q->stmt, column);

	*len = (size_t)sqlite3_column_bytes(q->stmt, column);
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
	enum db_result result = db_result_of(q->rc);
	if (diagnosis_is_damage(q->rc))
		vitals_failed(q->db->vitals, q->rc, 0);
	if (!q->db->in_transaction)
		db_operation_end(&q->operation, result, q->db->error_code, q->db->error_text);
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
