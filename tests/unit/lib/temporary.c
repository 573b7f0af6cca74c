/* SPDX-License-Identifier: MIT */
#include "temporary.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char temporary[256];

int temporary_setup(void **state)
{
	(void)state;
	const char *root = getenv("TMPDIR");
	snprintf(temporary, sizeof(temporary), "%s/apm-XXXXXX", root ? root : "/tmp");
	return mkdtemp(temporary) ? 0 : -1;
}

int temporary_teardown(void **state)
{
	DIR *dir = opendir(temporary);

	(void)state;
	if (!dir)
		return -1;
	for (const struct dirent *entry; (entry = readdir(dir));)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
	return rmdir(temporary);
}

const char *in_temporary(const char *name)
{
	static char paths[8][PATH_MAX];
	static unsigned next;
	char *path = paths[next++ % 8];

	snprintf(path, PATH_MAX, "%s/%s", temporary, name);
	return path;
}

void append_to(const char *name, const char *text)
{
	int fd = open(in_temporary(name), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	ssize_t written = fd < 0 ? -1 : write(fd, text, strlen(text));

	assert(written == (ssize_t)strlen(text));
	(void)written;
	close(fd);
}

void move(const char *from, const char *to)
{
	int result = rename(in_temporary(from), in_temporary(to));

	assert(result == 0);
	(void)result;
}
