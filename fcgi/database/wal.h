/* SPDX-License-Identifier: MIT */
/*
 * The write-ahead log: when it is copied into the database and when it starts over. A reader needs the log as it was
 * when the reader began. One that stays keeps the log from starting over, so that the log grows; writers never wait for
 * it.
 *
 * All checkpoints are made on the writer's connection, by the thread that leads (writer.c): two connections that reset
 * the log at once can corrupt it (before SQLite 3.51.3).
 */
#ifndef APM_DATABASE_WAL_H
#define APM_DATABASE_WAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "database/vitals.h"

struct sqlite3;
struct tel_series;

#define WAL_LIMIT_BYTES 8388608 /* the file is cut to this length when the log starts over */
#define WAL_PAGES_DUE 1000      /* after so many pages (4 KiB) the log is copied, as far as readers allow */
#define WAL_PAGES_LONG 4000     /* after so many it is made to start over, if that takes no longer than */
#define WAL_PATIENCE_MS 20      /* this for readers, during which writers wait as well */

struct wal {
	struct vitals *vitals;

	/* used by the thread that leads */
	struct sqlite3 *sqlite; /* of the writer */
	atomic_int pages;       /* in the log after the last commit; any thread may read it */
	int due_pages;          /* a checkpoint is due when there are as many */
	int held_at;            /* the page that the last checkpoint came to; -1: the end */
	uint64_t next_start_ns; /* it is not made to start over before; monotonic */

	_Atomic uint64_t held_since_ns; /* since when a reader is known to hold the log (monotonic); 0: none does */

	/* used by the watch's thread */
	struct tel_series *size, *pinned;
	uint64_t logged_ns; /* when a reader that stays was logged last; 0: no end of it is to be logged */
};

void wal_init(struct wal *wal, struct vitals *vitals);

/* Counts pages from now on, and copies what a killed program has left. After the files are open, by the opening thread.
 */
void wal_start(struct wal *wal, struct sqlite3 *sqlite);

/*
 * Makes a checkpoint if one is due. After a group of writes, by its leader. When the log is long, waits for readers up
 * to WAL_PATIENCE_MS, at most once a second, and not for one that has been there for a second already.
 */
void wal_tend(struct wal *wal);

/*
 * The same with nothing to write, about once a second: a log that was held becomes short soon after its reader ends.
 */
void wal_rest(struct wal *wal);

/* Empties the log before the database is closed, unless readers of others hold it. */
void wal_empty(struct wal *wal);

/* Sets db_wal_size_bytes and db_wal_pinned_seconds, and logs a reader that stays. The watch's thread, every second. */
void wal_report(struct wal *wal);

#endif
