/* SPDX-License-Identifier: MIT */
/* Files that one process alone may write. */
#ifndef APM_BASE_FILE_LOCK_H
#define APM_BASE_FILE_LOCK_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

struct file_lock {
	int fd; /* negative while the lock is not taken */
	char name[PATH_MAX];
};

/*
 * Takes the lock of the file `path`, which need not exist and may be renamed at will: the locked file is a hidden one
 * in the same directory, which holds the owner's process id. It never waits. The kernel releases the lock when the
 * process ends in any way. Returns 0, or -EBUSY when another process has the lock, whose id is *holder, 0 when it is
 * not known; or another -errno when the lock cannot be made. Any thread.
 */
int file_lock_take(struct file_lock *lock, const char *path, pid_t *holder);

/*
 * The same for a lock file of the caller's choice, which is not removed at the end. No link is followed. Returns the
 * descriptor that holds the lock, which children do not inherit; -EBUSY with *holder, or another -errno.
 */
int file_lock_open(const char *name, pid_t *holder);

/* Returns false when the lock file was removed or replaced after it was opened: its lock excludes nobody then. */
bool file_lock_is_in_place(int fd, const char *name);

/* Gives a lock back and removes its file; does nothing when it was not taken. */
void file_lock_release(struct file_lock *lock);

#endif
