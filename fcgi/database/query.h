/* SPDX-License-Identifier: MIT */
/*
 * A query on a connection: sticky, so use it straight down and ask once at the end. A service includes
 * database/database.h, which has an example.
 */
#ifndef APM_DATABASE_QUERY_H
#define APM_DATABASE_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "database/operation.h"

struct sqlite3_stmt;
struct db_connection; /* one connection; one thread at a time */

struct db_query {
	struct db_connection *db;
	struct sqlite3_stmt *stmt;
	int rc;    /* SQLite's last result */
	int bound; /* parameters bound so far */
	struct db_operation operation;
};

/*
 * Starts the query. It is an operation of its own unless `db` is inside a transaction. Always end it with db_end, on
 * the same thread. A statement can run once at a time on a connection.
 */
void db_query(struct db_query *q, struct db_connection *db, struct db_statement *statement);

/*
 * Bind the parameters ?1, ?2 … in order. Text is NUL-terminated and not copied: keep it until db_end; NULL binds NULL.
 */
void db_bind_int(struct db_query *q, int64_t value);
void db_bind_text(struct db_query *q, const char *text);

/* Binds a BLOB, by the same rule; one of no bytes is empty, not NULL. */
void db_bind_bytes(struct db_query *q, const void *data, size_t len);

/* Reads the next row. Returns false after the last one and after a failure. */
bool db_next(struct db_query *q);

/* Return a column of the row, from 0. Text is NUL-terminated, "" for NULL, valid until the next db_next or db_end. */
int64_t db_int(struct db_query *q, int column);
const char *db_text(struct db_query *q, int column);

/* Returns a BLOB and its length, by the same rule. */
const void *db_bytes(struct db_query *q, int column, size_t *len);

/* Copies text into `out` of `size` bytes; text that is longer is cut. */
void db_copy(struct db_query *q, int column, char *out, size_t size);

/* Runs the statement to its end if that has not happened, resets it, ends the operation. */
enum db_result db_end(struct db_query *q);

/*
 * Returns the id of the row that the last INSERT of this transaction made. It means nothing when the INSERT failed or
 * did nothing. (RETURNING gives the id as well, but SQLite makes a table for what it returns, each time.)
 */
int64_t db_inserted_id(struct db_connection *tx);

/* Returns how many rows the last INSERT, UPDATE or DELETE on this connection changed. */
int64_t db_changes(struct db_connection *db);

/*
 * A job is the body of a transaction. It runs on whichever thread leads the group (db_write), so it must not touch
 * anything thread-local: no span, no log line. `tx` is the writing connection. DB_OK commits; another result undoes
 * this job alone and is what its db_write returns.
 */
typedef enum db_result db_job(struct db_connection *tx, void *arg);

#endif
