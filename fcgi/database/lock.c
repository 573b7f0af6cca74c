/* SPDX-License-Identifier: MIT */
#include "database/lock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/env.h"
#include "base/file_lock.h"

#define POLL_NS (20 * NS_PER_MS)

ENV_SETTING(busy_time_out, .name = "BUSY_TIMEOUT_MS", .unit = "milliseconds", .fallback = 1000, .max = 60000);

unsigned database_lock_timeout_ms(void)
{
	return (unsigned)env_number(&busy_time_out);
}

void database_lock_init(struct database_lock *lock, const char *database)
{
	lock->fd = -1;
	snprintf(lock->path, sizeof(lock->path), "%.*s.lock", (int)(strlen(database) - strlen(".db")), database);
}

bool database_lock_had_database(const struct database_lock *lock)
{
	char byte;

	return pread(lock->fd, &byte, 1, 0) == 1;
}

int database_lock_take(struct database_lock *lock, unsigned wait_ms, pid_t *holder)
{
	uint64_t deadline_ns = clock_monotonic_ns() + wait_ms * NS_PER_MS;
	int fd;

	while ((fd = file_lock_open(lock->path, holder)) == -EBUSY && clock_monotonic_ns() < deadline_ns)
		clock_sleep_until(clock_monotonic_ns() + POLL_NS);
	if (fd < 0)
		return fd;
	lock->fd = fd;
	return 0;
}

void database_lock_describe(const struct database_lock *lock, const struct stat files[2])
{
	char text[128];
	int len = snprintf(text, sizeof(text), "%d %llu:%llu %llu:%llu\n", (int)getpid(),
			   (unsigned long long)files[0].st_dev, (unsigned long long)files[0].st_ino,
			   (unsigned long long)files[1].st_dev, (unsigned long long)files[1].st_ino);

	/* When this fails, only messages of others say less. */
	if (ftruncate(lock->fd, 0) != 0 || pwrite(lock->fd, text, (size_t)len, 0) != len)
		return;
}

bool database_lock_keep(struct database_lock *lock, const struct stat files[2])
{
	struct database_lock again = *lock;
	pid_t holder;

	if (file_lock_is_in_place(lock->fd, lock->path))
		return true;
	int error = database_lock_take(&again, 0, &holder);
	if (error)
		return error != -EBUSY;
	database_lock_done(lock);
	*lock = again;
	database_lock_describe(lock, files);
	return true;
}

void database_lock_done(struct database_lock *lock)
{
	if (lock->fd >= 0)
		close(lock->fd);
	lock->fd = -1;
}
