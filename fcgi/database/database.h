/* SPDX-License-Identifier: MIT */
/*
 * SQLite behind one small face: prepared statements kept per connection, one CLIENT span and one histogram
 * observation per store operation, one writer per database with group commit (see db_write).
 *
 *	DB_STATEMENT(select_user, "SELECT", "users", "SELECT id, name FROM users WHERE id = ?1");
 *
 *	struct db_query q;
 *	db_query(&q, req->db, &select_user);
 *	db_bind_int(&q, id);
 *	bool found = db_next(&q);
 *	if (found)
 *		name = db_text(&q, 1);               // valid until the next db_next or db_end
 *	if (db_end(&q) != DB_OK)
 *		return reply_database(reply, …);
 */
#ifndef APM_DATABASE_DATABASE_H
#define APM_DATABASE_DATABASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tel/tel.h"

struct sqlite3_stmt;

enum db_result {
	DB_OK = 0,
	DB_NOT_FOUND,   /* for jobs: what was to be changed is not there */
	DB_CONFLICT,    /* a UNIQUE or CHECK constraint, or a state that does not allow it */
	DB_LATE,        /* for jobs: nobody waits for it any more, nothing is stored (503) */
	DB_BUSY,        /* locked for too long, or the write queue is full: try again later (503) */
	DB_UNAVAILABLE, /* the disk takes nothing, or the file was moved: nothing is stored, try again later (503) */
	DB_FAILED       /* the file's content or the statement; logged here with SQLite's message */
};

/* One statement of the program, declared at file scope; it registers itself before main. */
struct db_statement {
	const char *operation;  /* db.operation.name: "SELECT" */
	const char *collection; /* db.collection.name: "users" */
	const char *span_name;  /* "SELECT users" */
	const char *sql;        /* db.query.text: placeholders only, no literal of a request */
	unsigned index;
	struct tel_series *duration;
	struct db_statement *next;
};

/* `statement` lives as long as the program. Before threads start; DB_STATEMENT calls it. */
void db_statement_register(struct db_statement *statement);

/* DB_STATEMENT(variable, operation, collection, SQL) */
#define DB_STATEMENT(var, op, table, ...)                                                                              \
	static struct db_statement var = {                                                                             \
		.operation = op,                                                                                       \
		.collection = table,                                                                                   \
		.span_name = op " " table,                                                                             \
		.sql = __VA_ARGS__,                                                                                    \
	};                                                                                                             \
	__attribute__((constructor)) static void var##_register(void)                                                  \
	{                                                                                                              \
		db_statement_register(&var);                                                                           \
	}                                                                                                              \
	struct db_statement_semicolon_

struct db_connection; /* one connection; one thread at a time */
struct database;      /* one database: its file, its writer, what readers need to open it */

/*
 * Opens $DATA_DIR/<name>.db (default db/data), makes it when absent, applies $SCHEMA_DIR/<name>.sql (default db/schema)
 * by PRAGMA user_version, and $SEED_DIR/<name>.sql (SEED_DIR unset: none) when the database is new. WAL,
 * synchronous=FULL, foreign_keys=ON; each is read back. `name` is a literal. Call after tel_init, before threads start.
 *
 * The database is this process's until database_close: another program that opens it waits $BUSY_TIMEOUT_MS and is
 * refused. A thread sees to it that the files stay in their place and that writes succeed (database_trouble). NULL:
 * refused, with the reason and a remedy in the log and in one line on stderr. A file that is damaged or made by a newer
 * version is refused; so is a new database while a restore is unfinished.
 */
struct database *database_open(const char *name);

/*
 * The same for what others can make again: a database that is damaged, newer, or of another schema than
 * $SCHEMA_DIR/<name>.sql makes is moved to <name>.db.damaged-<UTC time>, in the place of older ones, and made anew.
 */
struct database *database_open_cache(const char *name);

/* Checkpoints and closes the writer. Every reader must be closed before. NULL does nothing. */
void database_close(struct database *database);

/*
 * From now on a write has succeeded before it is durable (synchronous=NORMAL): a power loss may take the last ones, a
 * crash of the program none, and the file stays whole. For data that others can make again, such as telemetry. Before
 * threads start. False: failed, logged.
 */
bool database_forgo_durability(struct database *database);

/* Opens a reading connection. Any thread. NULL: failed, logged. */
struct db_connection *db_connection_open(struct database *database);

/* NULL does nothing. */
void db_connection_close(struct db_connection *db);

/*
 * True: the database cannot be used, or writes fail; `out` is a sentence that says why and what to do, without paths.
 * For /readyz. Any thread.
 */
bool database_trouble(struct database *database, char *out, size_t size);

/* True when a trivial read succeeds: for /readyz. No span. */
bool db_ready(struct db_connection *db);

/* ---- a query: sticky, ask once at the end ---- */

/*
 * The telemetry of one store operation: an observation, and a CLIENT span when there is a current span. Background work
 * without one makes no traces of a single span.
 */
struct db_operation {
	const struct db_statement *statement;
	uint64_t start_ns;
	bool traced;
	struct tel_span span;
};

struct db_query {
	struct db_connection *db;
	struct sqlite3_stmt *stmt;
	int rc;    /* SQLite's last result */
	int bound; /* parameters bound so far */
	struct db_operation operation;
};

/*
 * Starts the query; a store operation of its own unless `db` is inside a transaction. End it with db_end on the same
 * thread, always. A statement can run once at a time on a connection.
 */
void db_query(struct db_query *q, struct db_connection *db, struct db_statement *statement);

/* Bind the parameters ?1, ?2 … in order. Text is NUL-terminated and not copied: keep it until db_end; NULL binds NULL.
 */
void db_bind_int(struct db_query *q, int64_t value);
void db_bind_text(struct db_query *q, const char *text);

/* A BLOB, by the same rule; of no bytes it is empty, not NULL. */
void db_bind_bytes(struct db_query *q, const void *data, size_t bytes);

/* The next row. False: no more, or an error. */
bool db_next(struct db_query *q);

/* Columns of the row, from 0. Text is NUL-terminated, "" for NULL, valid until the next db_next or db_end. */
int64_t db_int(struct db_query *q, int column);
const char *db_text(struct db_query *q, int column);

/* A BLOB as it is, its length in *bytes; valid as text is. */
const void *db_bytes(struct db_query *q, int column, size_t *bytes);

/* Copies text into `out` of `size` bytes, cut when it is longer. */
void db_copy(struct db_query *q, int column, char *out, size_t size);

/* Runs the statement to its end if that has not happened, resets it, ends the operation. */
enum db_result db_end(struct db_query *q);

/*
 * The id of the row that the last INSERT of this transaction made. RETURNING gives it as well, but SQLite makes a table
 * of its own for what it returns, each time. Means nothing when the INSERT failed or did nothing.
 */
int64_t db_inserted_id(struct db_connection *tx);

/* Rows that the last INSERT, UPDATE or DELETE on this connection changed. */
int64_t db_changes(struct db_connection *db);

/* ---- transactions: one writer, group commit ---- */

/*
 * The body of a transaction. Runs on whichever thread leads the group, so it must touch nothing thread-local: no span,
 * no log line. `tx` is the writing connection. DB_OK commits; anything else undoes this job alone and is what its
 * db_write returns.
 */
typedef enum db_result db_job(struct db_connection *tx, void *arg);

/*
 * Runs `job` in a transaction and returns when it is durable (or has failed). Any thread. Concurrent callers share one
 * BEGIN IMMEDIATE … COMMIT with a savepoint each. It is one store operation, named after `main_statement`: its span
 * covers the wait (after a group of several up to 2 ms for company), the statements and the commit. `arg` stays owned
 * by the caller. DB_BUSY: another process holds the lock for longer than $BUSY_TIMEOUT_MS (default 1000), or
 * DB_QUEUE_MAX jobs are waiting.
 */
enum db_result db_write(struct database *database, struct db_statement *main_statement, db_job *job, void *arg);

#define DB_QUEUE_MAX 256 /* jobs waiting for a group */

/* ---- time as it is stored ---- */

#define DB_TIME_SIZE 32
#define DB_DAY_MS INT64_C(86400000)

/* Milliseconds since 1970, UTC. */
int64_t db_now_ms(void);

/* Writes RFC 3339 with milliseconds, "2026-11-22T12:30:00.123Z", into `out` (DB_TIME_SIZE bytes). Sorts as text. A time
 * before 1970, such as a day ago on a machine whose clock has just begun, is written as its beginning. */
void db_time(int64_t unix_ms, char *out);

#endif
