/* SPDX-License-Identifier: MIT */
/*
 * A database belongs to one program at a time, which holds a lock (flock) on a file beside it from its start to its
 * end. The kernel releases the lock with the process, so a lock file that is left over is no obstacle, and children do
 * not inherit it. The file names the process and the database that it has open ("PID DEVICE:INODE DEVICE:INODE", the
 * second is its log): for messages, and for db/backup, which cannot see otherwise that the file at the path is not the
 * one that the program has open.
 */
#ifndef APM_DATABASE_LOCK_H
#define APM_DATABASE_LOCK_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

struct database_lock {
	int fd; /* -1: not held */
	char path[PATH_MAX];
};

/* Returns for how long a lock of somebody else is waited for ($BUSY_TIMEOUT_MS), in milliseconds. */
unsigned database_lock_timeout_ms(void);

/* `database` is a path that ends in ".db"; the lock's ends in ".lock". */
void database_lock_init(struct database_lock *lock, const char *database);

/*
 * Waits up to `wait_ms` for another program to end. Returns 0 with the lock; -EBUSY when another program has it, with
 * its process id, 0 when that is not known, in *holder; or another -errno.
 */
int database_lock_take(struct database_lock *lock, unsigned wait_ms, pid_t *holder);

/* Returns true if an earlier program had a database open here: the file says so until another one is described. */
bool database_lock_had_database(const struct database_lock *lock);

/* Writes into the file which database and which log are open. */
void database_lock_describe(const struct database_lock *lock, const struct stat files[2]);

/*
 * Makes the lock file again, where others look for it, when somebody has removed it. Returns false if another program
 * has taken the lock meanwhile.
 */
bool database_lock_keep(struct database_lock *lock, const struct stat files[2]);

/* Releases the lock; does nothing when it is not held. */
void database_lock_done(struct database_lock *lock);

#endif
