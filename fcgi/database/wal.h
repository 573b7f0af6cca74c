/* SPDX-License-Identifier: MIT */
/*
 * The write-ahead log: when it is copied into the database and when it starts over. A reader needs the log as it was
 * when it began, so one that stays keeps the log from starting over and lets it grow; writers never wait for it.
 *
 * All checkpoints are the writer's connection's, by the thread that leads (writer.c): two connections that reset the
 * log at once can corrupt it (before SQLite 3.51.3).
 */
#ifndef APM_DATABASE_WAL_H
#define APM_DATABASE_WAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct database;
struct tel_series;

#define WAL_LIMIT_BYTES 8388608 /* the file is cut to it when the log starts over */
#define WAL_PAGES_DUE 1000      /* pages (4 KiB) after which the log is copied, as far as readers allow */
#define WAL_PAGES_LONG 4000     /* so many, and it is made to start over when it can be within WAL_PATIENCE_MS */
#define WAL_PATIENCE_MS 20      /* for readers, which writers have to wait for as well */

struct wal {
	/* of the thread that leads */
	atomic_int pages;       /* in the log after the last commit; any thread may read it */
	int due_pages;          /* a checkpoint is due when there are as many */
	int held_at;            /* the last checkpoint came so far only; -1: to the end */
	uint64_t next_start_ns; /* it is not made to start over before */

	_Atomic uint64_t held_since_ns; /* a reader holds the log since then (monotonic), as was seen; 0: none does */

	/* of the watch's thread */
	struct tel_series *size, *pinned;
	uint64_t said_ns; /* when a reader that stays was logged; 0: there is nothing to take back */
};

void wal_init(struct database *database);

/* After the files are open, by the thread that opens: counts pages from now on, copies what a killed program left. */
void wal_start(struct database *database);

/* After a group of writes, by its leader: a checkpoint if one is due. When the log is long, waits for readers up to
 * WAL_PATIENCE_MS, at most once a second, and not for one that has been there for a second already. */
void wal_tend(struct database *database);

/* The same with nothing to write, about once a second: a log that was held becomes short soon after its reader ends. */
void wal_rest(struct database *database);

/* Empties the log before the database is closed, unless readers of others hold it. */
void wal_empty(struct database *database);

/* Sets db_wal_size_bytes and db_wal_pinned_seconds; logs a reader that stays. The watch's thread, every second. */
void wal_tell(struct database *database);

#endif
