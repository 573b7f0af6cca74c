/* SPDX-License-Identifier: MIT */
/*
 * The vital signs of an open database: whether its files are at their paths, whether another program has taken it, and
 * whether writes succeed. Whoever reads or writes notes them here; the watch (watch.h) looks every second and is woken
 * by news.
 */
#ifndef APM_DATABASE_VITALS_H
#define APM_DATABASE_VITALS_H

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/thread.h"
#include "database/diagnosis.h"
#include "database/location.h"

/* The state of the files: of the file with the smallest number that is not in its place. */
enum vitals_place {
	PLACE_OK,
	PLACE_GONE,                             /* + the file's number: nothing is at its path */
	PLACE_REPLACED = PLACE_GONE + FILES,    /* + the number: another file is there */
	PLACE_EMPTIED = PLACE_REPLACED + FILES, /* the database has no byte left */
	PLACE_TAKEN                             /* another program has the lock */
};

struct vitals {
	struct location *location;
	char paths[FILES][PATH_MAX];
	struct stat files[FILES]; /* as they were opened */

	atomic_int place;      /* enum vitals_place */
	atomic_bool rescued;   /* the log has gone, and all of it was copied into the database */
	atomic_int failed;     /* SQLite's code of the last write's failure, or of damage; 0: it succeeded */
	atomic_int errno_then; /* of the system call behind it, or 0 */

	atomic_uint refused;               /* writes in a row that failed for another reason than the disk */
	_Atomic uint64_t refused_ns;       /* the last of them; monotonic */
	_Atomic uint64_t locked_since_ns;  /* another process holds the lock of writers; monotonic, 0: none does */
	_Atomic uint64_t writing_since_ns; /* a group of writes runs; monotonic, 0: none does */

	struct thread watcher; /* the watch's thread */
	bool news;             /* with its lock: something has failed or was written */
};

void vitals_init(struct vitals *vitals, struct location *location);

/* Notes which files are open. Returns false if one of them has gone already. Before the watch starts. */
bool vitals_note_files(struct vitals *vitals);

/* Looks at the paths of the database and its log: two calls of stat. Returns true if both are in place. Any thread. */
bool vitals_look(struct vitals *vitals);

/* Looks at all files and the lock. The watch's thread. */
void vitals_look_at_all(struct vitals *vitals);

/* Returns what the last look has found. Any thread. */
bool vitals_in_place(const struct vitals *vitals);

/* Returns true if the log has gone while the database is there: what only the log holds is still to be rescued. */
bool vitals_log_lost(const struct vitals *vitals);

/* Notes that a write has failed, or that any operation has met damage (SQLite's code). Any thread. */
void vitals_failed(struct vitals *vitals, int code, int system_errno);

/* Notes that a write has reached the log. Any thread. */
void vitals_written(struct vitals *vitals);

/* Notes a write that failed neither by the disk nor by a state that does not allow it. Any thread. */
void vitals_refused(struct vitals *vitals);

/* Notes whether a write could not begin because another process holds the lock of writers. Any thread. */
void vitals_locked(struct vitals *vitals, bool locked);

/* Returns why writes do not succeed: SQLite's code, or a negative one of our own; 0 when they do. Any thread. */
int vitals_failure(const struct vitals *vitals);

/* ---- in words; `out` gets no path ---- */

/* Describes a place other than PLACE_OK. */
struct diagnosis vitals_diagnose_place(const struct vitals *vitals, int place, char *out, size_t size);

/* Describes a failure other than 0. */
struct diagnosis vitals_diagnose_failure(const struct vitals *vitals, int failure);

/* Returns true if the database cannot be used or written; `out` says why and what to do about it. Looks. Any thread. */
bool vitals_unusable(struct vitals *vitals, char *out, size_t size);

#endif
