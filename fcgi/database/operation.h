/* SPDX-License-Identifier: MIT */
/* An operation on a database: its statement, its result and its telemetry. */
#ifndef APM_DATABASE_OPERATION_H
#define APM_DATABASE_OPERATION_H

#include <stdbool.h>
#include <stdint.h>

#include "tel/tel.h"

/* ---- results ---- */

enum db_result {
	DB_OK = 0,
	DB_NOT_FOUND,   /* for jobs: the row that was to be changed does not exist */
	DB_CONFLICT,    /* a UNIQUE or CHECK constraint, or a state that does not allow the change */
	DB_LATE,        /* for jobs: nobody waits for the result any more, and nothing is stored (503) */
	DB_BUSY,        /* locked for too long, or the write queue is full: try again later (503) */
	DB_UNAVAILABLE, /* the disk refuses, or the file was moved: nothing is stored, try again later (503) */
	DB_FAILED       /* the file's content or the statement is at fault; SQLite's message is in the log */
};

/* Returns the result that SQLite's extended result code stands for. */
enum db_result db_result_of(int code);

/* ---- the program's SQL statements: each is prepared once per connection, at its first use ---- */

struct db_statement {
	const char *operation;  /* db.operation.name: "SELECT" */
	const char *collection; /* db.collection.name: "users" */
	const char *span_name;  /* "SELECT users" */
	const char *sql;        /* db.query.text: placeholders only, no literal of a request */
	unsigned index;
	struct tel_series *duration;
	struct db_statement *next;
};

/* DB_STATEMENT(variable, operation, collection, SQL) declares a statement, which registers itself before main. */
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

/* Adds a statement, which must stay. Before threads start; DB_STATEMENT calls it. */
void db_statement_register(struct db_statement *statement);

extern unsigned db_statement_count; /* of the program */

/* ---- telemetry: an observation of the duration, and a CLIENT span when there is a current span ---- */

/* Background work without a current span makes no traces of a single span. */
struct db_operation {
	const struct db_statement *statement;
	const char *database; /* db.namespace */
	uint64_t start_ns;
	bool traced;
	struct tel_span span;
};

/* Makes the series of every statement, so that they are exposed from the start. Before threads start. */
void db_operation_declare(void);

/* Starts the operation; it ends on the same thread. `database` is the name, which must stay. */
void db_operation_start(struct db_operation *operation, const char *database, const struct db_statement *statement);

/*
 * Ends the operation. `code` and `text` are SQLite's extended result code, 0 without a failure, and message. Logs
 * DB_FAILED and DB_UNAVAILABLE.
 */
void db_operation_end(struct db_operation *operation, enum db_result result, int code, const char *text);

#endif
