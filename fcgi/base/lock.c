#include "base/lock.h"

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

static pid_t read_holder(int fd)
{
	char text[32];
	long pid = 0;
	ssize_t bytes = pread(fd, text, sizeof(text) - 1, 0);

	if (bytes > 0) {
		text[bytes] = '\0';
		text[strcspn(text, "\n")] = '\0';
		env_parse_number(text, 1, INT_MAX, &pid);
	}
	return (pid_t)pid;
}

/* For whoever is refused; the lock holds without it. */
static void write_holder(int fd)
{
	char text[32];
	int bytes = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	if (ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)bytes, 0) < 0)
		return;
}

static bool is_removed(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_nlink == 0;
}

/* A descriptor that is locked, or -errno. */
static int open_locked(const char *name, pid_t *holder)
{
	for (;;) {
		int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
		if (fd < 0)
			return -errno;
		int error = flock(fd, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
		if (!error && !is_removed(fd))
			return fd;
		if (error == EWOULDBLOCK)
			*holder = read_holder(fd);
		close(fd);
		if (error)
			return error == EWOULDBLOCK ? -EBUSY : -error;
		/* it was released between the two calls, and its file is gone */
	}
}

int lock_take(struct lock *lock, const char *path, pid_t *holder)
{
	const char *slash = strrchr(path, '/');
	int directory = slash ? (int)(slash + 1 - path) : 0;

	*holder = 0;
	lock->fd = -1;
	if (snprintf(lock->name, sizeof(lock->name), "%.*s.%s.lock", directory, path, path + directory) >=
	    (int)sizeof(lock->name))
		return -ENAMETOOLONG;
	/* "a.log" makes ".a-log.lock": who looks for *.log* does not find it */
	for (char *dot = lock->name + directory + 1; (dot = strchr(dot, '.')) && dot[strlen(".lock")];)
		*dot = '-';
	int fd = open_locked(lock->name, holder);
	if (fd < 0)
		return fd;
	write_holder(fd);
	lock->fd = fd;
	return 0;
}

void lock_release(struct lock *lock)
{
	if (lock->fd < 0)
		return;
	unlink(lock->name); /* while nobody else can have it */
	close(lock->fd);
	lock->fd = -1;
}
