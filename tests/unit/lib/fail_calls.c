/* SPDX-License-Identifier: MIT */
#include "fail_calls.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

atomic_long failing_from;
atomic_long calls;
static atomic_long failing_count;
atomic_long call_failures;

void fail_calls(long from, long count)
{
	calls = call_failures = 0;
	failing_count = count;
	failing_from = from;
}

void repair_calls(void)
{
	failing_from = 0;
}

/* Counts a call. Returns whether it fails, with `code`. */
static bool call_fails(int code)
{
	long from = failing_from;
	long number = from ? atomic_fetch_add(&calls, 1) + 1 : 0;
	bool fails = number && number >= from && number - from < failing_count;

	if (fails) {
		call_failures++;
		errno = code;
	}
	return fails;
}

/* FAIL_CALL(type, failure, errno, name, parameters, arguments …) */
#define FAIL_CALL(type, failure, code, name, parameters, ...)                                                          \
	type __real_##name parameters;                                                                                 \
	type __wrap_##name parameters;                                                                                 \
	type __wrap_##name parameters                                                                                  \
	{                                                                                                              \
		return call_fails(code) ? failure : __real_##name(__VA_ARGS__);                                        \
	}

FAIL_CALL(ssize_t, -1, EIO, read, (int fd, void *out, size_t bytes), fd, out, bytes)
FAIL_CALL(ssize_t, -1, EIO, pread, (int fd, void *out, size_t bytes, off_t at), fd, out, bytes, at)
FAIL_CALL(ssize_t, -1, EIO, __pread_chk, (int fd, void *out, size_t bytes, off_t at, size_t room), fd, out, bytes, at,
	  room)

FAIL_CALL(ssize_t, -1, ENOSPC, write, (int fd, const void *data, size_t bytes), fd, data, bytes)
FAIL_CALL(int, -1, ENOSPC, rename, (const char *from, const char *to), from, to)
FAIL_CALL(int, -1, EIO, stat, (const char *path, struct stat *out), path, out)
FAIL_CALL(int, -1, EIO, fstatat, (int fd, const char *path, struct stat *out, int flags), fd, path, out, flags)
FAIL_CALL(DIR *, NULL, ENOMEM, fdopendir, (int fd), fd)
FAIL_CALL(struct dirent *, NULL, EIO, readdir, (DIR * dir), dir)

int __wrap_fsync(int fd);

int __wrap_fsync(int fd) /* never done: a walk makes thousands */
{
	(void)fd;
	return call_fails(EIO) ? -1 : 0;
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);

int __wrap_open(const char *path, int flags, ...)
{
	va_list arguments;

	if (call_fails(EMFILE))
		return -1;
	va_start(arguments, flags);
	mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
	va_end(arguments);
	return __real_open(path, flags, mode);
}

int __real_openat(int directory, const char *path, int flags, ...);
int __wrap_openat(int directory, const char *path, int flags, ...);

int __wrap_openat(int directory, const char *path, int flags, ...) /* our code makes no file by it */
{
	return call_fails(EMFILE) ? -1 : __real_openat(directory, path, flags);
}
