/* SPDX-License-Identifier: MIT */
#include "base/file_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/env.h"
#include "base/fd.h"

#define LOCK_MODE 0640 /* Whoever may open the file may lock it, and so keep the program from starting. */

static pid_t read_holder(int fd)
{
	char text[32];
	long pid = 0;
	ssize_t bytes = pread(fd, text, sizeof(text) - 1, 0);

	if (bytes > 0) {
		text[bytes] = '\0';
		text[strcspn(text, " \n")] = '\0';
		env_parse_number(text, 1, INT_MAX, &pid);
	}
	return (pid_t)pid;
}

/* A process that is refused reads it; the lock holds without it. */
static void write_holder(int fd)
{
	char text[32];
	int bytes = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	if (ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)bytes, 0) < 0)
		return;
}

bool file_lock_is_in_place(int fd, const char *name)
{
	struct stat open_one, there;

	return fstat(fd, &open_one) == 0 && lstat(name, &there) == 0 && open_one.st_dev == there.st_dev &&
	       open_one.st_ino == there.st_ino;
}

int file_lock_open(const char *name, pid_t *holder)
{
	*holder = 0;
	for (;;) {
		int fd = fd_above_stderr(open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, LOCK_MODE));
		if (fd < 0)
			return -errno;
		int error = flock(fd, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
		if (!error && file_lock_is_in_place(fd, name)) {
			fchmod(fd, LOCK_MODE);
			return fd;
		}
		if (error == EWOULDBLOCK)
			*holder = read_holder(fd);
		close(fd);
		if (error)
			return error == EWOULDBLOCK ? -EBUSY : -error;
		/* The lock was released between the two calls, and its file is gone. */
	}
}

int file_lock_take(struct file_lock *lock, const char *path, pid_t *holder)
{
	const char *slash = strrchr(path, '/');
	int directory = slash ? (int)(slash + 1 - path) : 0;

	lock->fd = -1;
	if (snprintf(lock->name, sizeof(lock->name), "%.*s.%s.lock", directory, path, path + directory) >=
	    (int)sizeof(lock->name))
		return -ENAMETOOLONG;
	/* "a.log" gives ".a-log.lock", which a pattern such as *.log* does not find. */
	for (char *dot = lock->name + directory + 1; (dot = strchr(dot, '.')) && dot[strlen(".lock")];)
		*dot = '-';
	int fd = file_lock_open(lock->name, holder);
	if (fd < 0)
		return fd;
	write_holder(fd);
	lock->fd = fd;
	return 0;
}

void file_lock_release(struct file_lock *lock)
{
	if (lock->fd < 0)
		return;
	unlink(lock->name); /* before another process can have the lock */
	close(lock->fd);
	lock->fd = -1;
}
