/* SPDX-License-Identifier: MIT */
/*
 * Whether the database is what it seems: its files are at their paths, no other program has taken it, and writes
 * succeed. A thread looks every second, each group of writes looks for itself (writer.c). What is found is logged once,
 * by the thread, and so is its end.
 */
#ifndef APM_DATABASE_WATCH_H
#define APM_DATABASE_WATCH_H

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/thread.h"

struct database;

enum { WATCH_DATABASE, WATCH_LOG, WATCH_INDEX, WATCH_FILES }; /* NAME.db, -wal, -shm */

/* What is wrong with the files: of the file with the smallest number that is not in its place. */
enum watch_place {
	PLACE_OK,
	PLACE_GONE,                                   /* + the file's number: nothing is at its path */
	PLACE_REPLACED = PLACE_GONE + WATCH_FILES,    /* + the number: another file is */
	PLACE_EMPTIED = PLACE_REPLACED + WATCH_FILES, /* the database has no byte left */
	PLACE_TAKEN                                   /* another program has the lock */
};

struct watch {
	char paths[WATCH_FILES][PATH_MAX];
	struct stat files[WATCH_FILES]; /* as they were opened */

	atomic_int place;      /* enum watch_place */
	atomic_int failed;     /* SQLite's code of the last write's failure, or of damage; 0: it succeeded */
	atomic_int errno_then; /* of the system call that it came from, or 0 */

	atomic_uint refused;               /* writes that failed for another reason than the disk, in a row */
	_Atomic uint64_t refused_ns;       /* the last of them; monotonic */
	_Atomic uint64_t locked_since_ns;  /* another process holds the lock of writers; monotonic, 0: none does */
	_Atomic uint64_t writing_since_ns; /* a group of writes runs; monotonic, 0: none does */

	struct thread thread;
	bool started;
	bool news; /* with the thread's lock: something has failed or was written */
};

/* After the files are open. False: one of them has gone already. */
bool watch_init(struct database *database);

/* Starts the thread, which logs and makes writes of its own while writes fail. 0 or -errno. */
int watch_start(struct database *database);

/* Ends the thread; watch_look may be called after. */
void watch_stop(struct database *database);

/* Looks at the paths of the database and its log: two calls of stat. False: one is not in its place. Any thread. */
bool watch_look(struct database *database);

/* What is known without looking. Any thread. */
bool watch_in_place(const struct database *database);

/* The write-ahead log has gone while the database is there: what is in it alone is still to be saved (writer.c). */
bool watch_log_lost(const struct database *database);

/* A write has failed (SQLite's code) or any operation has met damage; a write has reached the log. Any thread. */
void watch_failed(struct database *database, int code, int system_errno);
void watch_written(struct database *database);

/* A write's statement has failed, which is neither the disk's fault nor a state that does not allow it. Any thread. */
void watch_refused(struct database *database);

/* A write could or could not begin, because another process holds the lock of writers. Any thread. */
void watch_locked(struct database *database, bool locked);

/* What is wrong, for a person who asks /readyz: names of files, no paths. False: nothing is. Any thread. */
bool watch_trouble(struct database *database, char *out, size_t size);

#endif
