/* SPDX-License-Identifier: MIT */
/* Files that one process alone may write. */
#ifndef APM_BASE_FILE_LOCK_H
#define APM_BASE_FILE_LOCK_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

struct file_lock {
	int fd; /* below 0: not taken */
	char name[PATH_MAX];
};

/*
 * Takes the lock of the file `path`, which need not exist and may be renamed at will: a hidden file beside it is
 * what is locked, and holds the owner's process id. Never waits. The kernel releases the lock when the process ends,
 * however it does. Returns 0; -EBUSY: another process has the lock, and *holder is its id, 0 when that is not known; or
 * another -errno: the lock cannot be made. Any thread.
 */
int file_lock_take(struct file_lock *lock, const char *path, pid_t *holder);

/*
 * The same for a lock file of the caller's choice, which is not removed at the end. No link is followed. Returns the
 * descriptor that holds the lock, which children do not inherit; -EBUSY with *holder, or another -errno.
 */
int file_lock_open(const char *name, pid_t *holder);

/* Returns false when the lock file was removed or replaced after it was opened: its lock excludes nobody any more. */
bool file_lock_is_in_place(int fd, const char *name);

/* Gives a lock back and removes its file; does nothing when it was not taken. */
void file_lock_release(struct file_lock *lock);

#endif
