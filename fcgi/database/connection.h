/* SPDX-License-Identifier: MIT */
/* One connection to SQLite, as readers and the writer use it; one thread at a time. */
#ifndef APM_DATABASE_CONNECTION_H
#define APM_DATABASE_CONNECTION_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "database/vitals.h"

struct steady_clock;

struct db_connection {
	sqlite3 *sqlite;
	struct vitals *vitals;
	const struct steady_clock *clock;
	sqlite3_stmt **statements; /* by db_statement.index, prepared at the first use */
	bool in_transaction;       /* the writer, while it runs jobs */
	int error_code;            /* of the operation's first failure: SQLite's extended result code; 0: none */
	int error_errno;           /* of the system call behind it; 0: of none, or not known */
	char error_text[160];      /* SQLite's message: names of tables and columns, never values */
};

/*
 * Opens a connection to the database at vitals->location. Returns it in any case: error_code says whether it can be
 * used. Any thread.
 */
struct db_connection *connection_new(struct vitals *vitals, const struct steady_clock *clock, int flags);

/* The same for a connection that reads only. Returns NULL on failure, which is logged. */
struct db_connection *connection_new_reader(struct vitals *vitals, const struct steady_clock *clock);

/* Closes it; NULL does nothing. */
void connection_free(struct db_connection *db);

/* Leaves the files as they are when it is closed. SQLite would copy the log and remove it if this is the last one. */
bool connection_leave_files(struct db_connection *db);

/* Runs SQL of ours. Returns false on failure, with error_code and error_text. */
bool connection_exec(struct db_connection *db, const char *sql);

/* Reads a number: the first column of the first row of `sql`. Returns false on failure or without a row. */
bool connection_int(struct db_connection *db, const char *sql, int64_t *out);

/*
 * Keeps the first failure in error_code, error_errno and error_text. Set errno to 0 before the call of SQLite that may
 * fail: SQLite itself remembers it for some calls only.
 */
void connection_failed(struct db_connection *db, int code);

/* Sets the failure that the database is not in its place: SQLITE_READONLY_DBMOVED, as SQLite calls it. */
void connection_moved(struct db_connection *db);

#endif
