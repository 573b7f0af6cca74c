#include "store/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define POLL_NS 20000000

void store_lock_init(struct store_lock *lock, const char *database)
{
	lock->fd = -1;
	snprintf(lock->path, sizeof(lock->path), "%.*s.lock", (int)(strlen(database) - strlen(".db")), database);
}

/* False: the file was removed or replaced after it was opened, so that its lock excludes nobody. */
static bool is_in_place(int fd, const char *path)
{
	struct stat open_one, there;

	return fstat(fd, &open_one) == 0 && lstat(path, &there) == 0 && open_one.st_dev == there.st_dev &&
	       open_one.st_ino == there.st_ino;
}

static long read_holder(int fd)
{
	char text[32] = "";

	return pread(fd, text, sizeof(text) - 1, 0) > 0 ? strtol(text, NULL, 10) : 0;
}

bool store_lock_had_database(const struct store_lock *lock)
{
	char byte;

	return pread(lock->fd, &byte, 1, 0) == 1;
}

/* -EAGAIN: the file was removed in between, try again. */
static int try_once(struct store_lock *lock, long *holder)
{
	/* No link is followed: what it points at would be written to. */
	int fd = open(lock->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0640);
	int error = 0;

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		error = errno;
		*holder = read_holder(fd);
	} else if (!is_in_place(fd, lock->path)) {
		error = ESTALE;
	}
	if (error) {
		close(fd);
		return -error;
	}
	fchmod(fd, 0640); /* who may open it may lock it, and so keep the program from starting */
	lock->fd = fd;
	return 0;
}

int store_lock_take(struct store_lock *lock, unsigned wait_ms, long *holder)
{
	uint64_t deadline_ns = clock_monotonic_ns() + wait_ms * UINT64_C(1000000);
	int error;

	*holder = 0;
	while ((error = try_once(lock, holder)) == -ESTALE ||
	       (error == -EWOULDBLOCK && clock_monotonic_ns() < deadline_ns))
		nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
	return error;
}

void store_lock_describe(const struct store_lock *lock, const struct stat files[2])
{
	char text[128];
	int bytes = snprintf(text, sizeof(text), "%d %llu:%llu %llu:%llu\n", (int)getpid(),
			     (unsigned long long)files[0].st_dev, (unsigned long long)files[0].st_ino,
			     (unsigned long long)files[1].st_dev, (unsigned long long)files[1].st_ino);

	/* Without it only the messages of others say less. */
	if (ftruncate(lock->fd, 0) != 0 || pwrite(lock->fd, text, (size_t)bytes, 0) != bytes)
		return;
}

bool store_lock_keep(struct store_lock *lock, const struct stat files[2])
{
	struct store_lock again = *lock;
	long holder;

	if (is_in_place(lock->fd, lock->path))
		return true;
	int error = store_lock_take(&again, 0, &holder);
	if (error)
		return error != -EWOULDBLOCK;
	store_lock_drop(lock);
	*lock = again;
	store_lock_describe(lock, files);
	return true;
}

void store_lock_drop(struct store_lock *lock)
{
	if (lock->fd >= 0)
		close(lock->fd);
	lock->fd = -1;
}
