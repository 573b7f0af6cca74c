/* SPDX-License-Identifier: MIT */
/*
 * SQLite in a small interface: prepared statements kept per connection, one CLIENT span and one histogram observation
 * per operation, one writer per database with group commit (see db_write).
 *
 *	DB_STATEMENT(select_user, "SELECT", "users", "SELECT id, name FROM users WHERE id = ?1");
 *
 *	struct db_query q;
 *	db_query(&q, request_db(req), &select_user);
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

#include "database/query.h"
#include "database/timestamp.h"

struct database; /* one database: its file, its writer, what readers need to open it */

/*
 * Opens $DATA_DIR/NAME.db (default db/data), makes it when absent, applies $SCHEMA_DIR/NAME.sql (default db/schema) by
 * PRAGMA user_version, and $SEED_DIR/NAME.sql (SEED_DIR unset: none) when the database is new. WAL, synchronous=FULL
 * and foreign_keys=ON are set and read back. `name` is a literal. Call after tel_init, before threads start.
 *
 * The database is this process's until database_close: another program that opens it waits $BUSY_TIMEOUT_MS and is
 * refused. A thread watches that the files stay in their place and that writes succeed (database_unusable). Returns
 * NULL if the database is refused, with the reason and a remedy in the log and in one line on stderr. A file that is
 * damaged or made by a newer version is refused; so is a new database while a restore is unfinished.
 */
struct database *database_open(const char *name);

/*
 * The same for content that others can make again. A database that is damaged, newer, or of another schema than
 * $SCHEMA_DIR/NAME.sql makes is moved to NAME.db.damaged-TIME (UTC), replacing what was moved there before, and made
 * again. Its rows age while the program is stopped: its clock (steady_clock.h) counts all of that time, whereas that of
 * other databases counts an hour of it at most.
 */
struct database *database_open_cache(const char *name);

/* Stores the time of the clock, makes a checkpoint, closes the writer. Close every reader before. NULL does nothing. */
void database_close(struct database *database);

/*
 * From now on a write succeeds before it is durable (synchronous=NORMAL): a power loss may take the last ones, a crash
 * of the program none, and the file stays whole. For data that others can make again, such as telemetry. Before threads
 * start. Returns false on failure, which is logged.
 */
bool database_forgo_durability(struct database *database);

/*
 * Returns true if the database cannot be used or written; `out` gets a sentence, without paths, that says why and what
 * to do. For /readyz. Any thread.
 */
bool database_unusable(struct database *database, char *out, size_t size);

/* Returns milliseconds since 1970 by the database's own clock (steady_clock.h), which nobody sets. Any thread. */
int64_t database_steady_ms(const struct database *database);
int64_t db_steady_ms(const struct db_connection *db);

/* Opens a reading connection. Any thread. Returns NULL on failure, which is logged. */
struct db_connection *db_connection_open(struct database *database);

/* Closes it; NULL does nothing. */
void db_connection_close(struct db_connection *db);

/* Returns true if a trivial read succeeds. For /readyz; makes no span. */
bool db_ready(struct db_connection *db);

/*
 * Runs `job` in a transaction and returns when it is durable or has failed. Any thread. Concurrent callers share one
 * BEGIN IMMEDIATE … COMMIT with a savepoint each. It is one operation, named after `main_statement`: its span covers
 * the wait, the statements and the commit. After a commit that several shared, the next one waits up to 2 ms for others
 * to join. `arg` stays the caller's.
 * Returns DB_BUSY if another process holds the lock for longer than $BUSY_TIMEOUT_MS (default 1000) or too many jobs
 * wait.
 */
enum db_result db_write(struct database *database, struct db_statement *main_statement, db_job *job, void *arg);

#endif
