/* SPDX-License-Identifier: MIT */
/*
 * The one writer of a database, with group commit: the first thread that finds nobody leading takes all jobs that wait,
 * runs them in one transaction and wakes their owners. There is no writer thread, so a job alone costs no thread
 * switch; together jobs share one fsync, and the next group gathers while one runs. Its first job's thread leads in
 * turn, after a moment for others to come.
 */
#ifndef APM_DATABASE_WRITER_H
#define APM_DATABASE_WRITER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "database/connection.h"
#include "database/query.h"
#include "database/wal.h"

#define WRITER_QUEUE_MAX 256 /* jobs that wait for a group */

/* The statements that begin, part and end a group. */
enum { WRITE_BEGIN, WRITE_SAVE, WRITE_KEEP, WRITE_COMMIT, WRITE_STATEMENTS };

struct write; /* a job that waits for its group, see writer.c */

struct writer {
	struct vitals *vitals;

	/* used only by the thread that leads */
	struct db_connection *db;
	sqlite3_stmt *statements[WRITE_STATEMENTS];
	struct wal wal;
	unsigned group_size;  /* of the last group */
	uint64_t patience_ns; /* for how long the next leader waits for company: half as long as that group took */

	pthread_mutex_t lock; /* of the rest */
	struct write *first;  /* waiting, in order of arrival */
	struct write **last;
	unsigned waiting;
	bool leading; /* a thread runs a group */
};

/* Initialises a zeroed struct; `db` is set when it is open. */
void writer_init(struct writer *writer, struct vitals *vitals);

/* Closes the connection. */
void writer_done(struct writer *writer);

/* Implements db_write (database.h). */
enum db_result writer_write(struct writer *writer, const struct db_statement *main_statement, db_job *job, void *arg);

/* The same without telemetry. */
enum db_result writer_run(struct writer *writer, db_job *job, void *arg);

/* Writes without changing anything, to see whether writes succeed; what else a turn brings happens as well. Any thread.
 */
void writer_try(struct writer *writer);

/* When nobody writes: sees whether another process holds the lock of writers, and tends the log. Any thread. */
void writer_rest(struct writer *writer);

/* Implements database_forgo_durability. */
bool writer_forgo_durability(struct writer *writer);

#endif
