/* SPDX-License-Identifier: MIT */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int fd_above_stderr(int fd)
{
	if (fd < 0 || fd > STDERR_FILENO)
		return fd;
	int moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	int error = errno;
	close(fd);
	errno = error;
	return moved;
}

int fd_open_directory_of(const char *path)
{
	char directory[PATH_MAX];
	const char *slash = strrchr(path, '/');
	int len = slash ? (int)(slash + 1 - path) : 0;

	if (snprintf(directory, sizeof(directory), "%.*s", len, path) >= (int)sizeof(directory)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return open(len ? directory : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}
