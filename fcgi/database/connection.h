/* SPDX-License-Identifier: MIT */
/* What the files of store/ share among themselves: one connection, one database. Others include database/database.h. */
#ifndef APM_DATABASE_CONNECTION_H
#define APM_DATABASE_CONNECTION_H

#include <limits.h>
#include <pthread.h>
#include <sqlite3.h>

#include "database/database.h"
#include "database/lock.h"
#include "database/steady_clock.h"
#include "database/wal.h"
#include "database/watch.h"

struct db_connection {
	sqlite3 *sqlite;
	struct database *database;
	sqlite3_stmt **statements; /* by db_statement.index, prepared at the first use */
	bool in_transaction;       /* the writer, while it runs jobs */
	int error_code;            /* of the operation's first failure: SQLite's extended result code; 0: none */
	int error_errno;           /* of the system call that it came from; 0: of none, or not known */
	char error_text[160];      /* SQLite's message; names of tables and columns, never values */
};

/* What a group of writes begins, parts and ends with, see writer.c. */
enum { WRITE_BEGIN, WRITE_SAVE, WRITE_KEEP, WRITE_COMMIT, WRITE_STATEMENTS };

struct write; /* a job that waits for its group, see writer.c */

/* Why a store is not opened. */
struct refusal {
	bool damaged; /* the content of the file is the reason: a cache is made anew */
	char error[256];
	const char *remedy;
};

struct database {
	const char *name;
	bool cache;                /* what others can make again: set aside when it is damaged */
	char given_path[PATH_MAX]; /* $DATA_DIR/NAME.db */
	char path[PATH_MAX];       /* the same without links: where its log is too */
	struct database_lock lock_file;
	struct watch watch;
	struct refusal refusal;
	struct steady steady;

	/* used only by the thread that leads */
	struct db_connection *writer;
	sqlite3_stmt *statements[WRITE_STATEMENTS];
	struct wal wal;
	unsigned group_size;  /* of the last group */
	uint64_t patience_ns; /* how long the next leader waits for company: half as long as that group took */
	atomic_bool rescued;  /* the log has gone, and all of it is in the database */

	pthread_mutex_t lock; /* of the rest */
	struct write *first;  /* waiting, in order of arrival */
	struct write **last;
	unsigned waiting;
	bool leading; /* a thread runs a group */
};

/* Keeps the first reason why the store is not opened, and returns false. */
bool database_refuse(struct database *database, bool damaged, const char *remedy, const char *error, ...)
	__attribute__((format(printf, 4, 5)));

/* The same for a failure of SQLite's on a connection, which may be NULL when `code` says it all. */
bool database_refuse_code(struct database *database, sqlite3 *sqlite, int code);

/* Takes the store's lock and looks at what is at its path. False: refused. See place.c. */
bool place_take(struct database *database);

/* Moves the damaged files of a cache aside, in the place of older ones; no connection is open. False: refused. */
bool place_clear(struct database *database);

/* How long a lock that somebody else has is waited for ($BUSY_TIMEOUT_MS), in milliseconds. */
unsigned busy_time_out_ms(void);

/* Opens a connection with what readers and the writer have in common. NULL: failed, see database_refuse_code. */
struct db_connection *connection_open(struct database *database, int flags);

/* Runs SQL of ours. False: failed, error_code and error_text are set. */
bool connection_exec(struct db_connection *db, const char *sql);

/* The first column of the first row of `sql`, a number. False: failed or no row. */
bool connection_int(struct db_connection *db, const char *sql, int64_t *out);

/*
 * Keeps the first failure in error_code, error_errno and error_text. Set errno to 0 before the call of SQLite that may
 * fail: SQLite itself remembers it for some calls only.
 */
void connection_failed(struct db_connection *db, int rc);

/* The failure that the database is not in its place: SQLITE_READONLY_DBMOVED, as SQLite has it. */
void connection_moved(struct db_connection *db);

enum db_result result_of(int rc);

void operation_start(struct db_operation *operation, const struct database *database, struct db_statement *statement);

/* `code` and `text`: SQLite's extended result code (0: none) and message. Logs DB_FAILED and DB_UNAVAILABLE. */
void operation_end(struct db_operation *operation, const struct database *database, enum db_result result, int code,
		   const char *text);

void writer_init(struct database *database);
void writer_done(struct database *database); /* before `writer` is closed */

/* A write that changes nothing, to see whether writes succeed, and with it what else a turn brings. Any thread. */
void writer_try(struct database *database);

/* When nobody writes: sees whether another process holds the lock of writers, and looks after the log. Any thread. */
void writer_rest(struct database *database);

/* Brings the schema up to date. False: refused. */
bool migrate(struct database *database);

/* All statements of the program. */
extern struct db_statement *db_statements;
extern unsigned db_statement_count;

/* Makes their series, so that every operation is exposed from the start. */
void statements_init(void);

#endif
