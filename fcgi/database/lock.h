/* SPDX-License-Identifier: MIT */
/*
 * One program at a time has a database: it holds a lock (flock) on a file beside it, from its start to its end. The
 * kernel lets go of the lock with the process, so that a file which is left over is no obstacle, and children do not
 * inherit it. In the file are the process and the database that it has open ("PID DEVICE:INODE DEVICE:INODE", the
 * second its log), for messages and for db/backup, which would not see otherwise that the file at the path is not the
 * program's.
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

/* `database`: a path that ends in ".db"; the lock's ends in ".lock". */
void database_lock_init(struct database_lock *lock, const char *database);

/*
 * Waits up to `wait_ms` for another program to end. 0: held. -EBUSY: another one has it, whose process id, 0 when it is
 * not known, is in *holder. Else -errno.
 */
int database_lock_take(struct database_lock *lock, unsigned wait_ms, pid_t *holder);

/* A program before has had a database open: the file says so until another one is described. */
bool database_lock_had_database(const struct database_lock *lock);

/* Says what is open: the database and its log. */
void database_lock_describe(const struct database_lock *lock, const struct stat files[2]);

/*
 * Puts the file at its path again, where others look, when somebody has removed it. False: another program has taken
 * the lock meanwhile.
 */
bool database_lock_keep(struct database_lock *lock, const struct stat files[2]);

void database_lock_drop(struct database_lock *lock);

#endif
