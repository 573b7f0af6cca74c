/* SPDX-License-Identifier: MIT */
/*
 * Counts a program's calls of fdatasync and fsync, at no cost that could be measured beside them: a library for
 * LD_PRELOAD. The count is a 64-bit number in $SYNC_COUNT_DIR/<program>.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int fdatasync(int fd);
int fsync(int fd);

static _Atomic uint64_t unshown;
static _Atomic uint64_t *count = &unshown;

__attribute__((constructor)) static void show(void)
{
	const char *directory = getenv("SYNC_COUNT_DIR");
	char path[4096];

	if (!directory || snprintf(path, sizeof(path), "%s/%s", directory, program_invocation_short_name) < 0)
		return;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return;
	if (ftruncate(fd, sizeof(*count)) == 0) {
		void *map = mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (map != MAP_FAILED)
			count = map;
	}
	close(fd);
}

static int call(const char *name, int fd)
{
	int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);

	atomic_fetch_add(count, 1);
	return real(fd);
}

int fdatasync(int fd)
{
	return call("fdatasync", fd);
}

int fsync(int fd)
{
	return call("fsync", fd);
}
