/* SPDX-License-Identifier: MIT */
#include "gateway/log_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

int log_reader_open(struct log_reader *r, int directory, const char *name, bool compressed)
{
	int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	*r = (struct log_reader){.fd = fd};
	if (!compressed)
		return 0;
	r->gz = gzdopen(fd, "r"); /* It owns the descriptor from here on. */
	if (r->gz)
		return 0;
	close(fd);
	*r = LOG_READER_NONE;
	return -ENOMEM;
}

void log_reader_close(struct log_reader *r)
{
	if (r->gz)
		gzclose_r(r->gz);
	else if (r->fd >= 0)
		close(r->fd);
	*r = LOG_READER_NONE;
}

ssize_t log_reader_read(struct log_reader *r, void *out, size_t len, uint64_t offset)
{
	if (!r->gz)
		return pread(r->fd, out, len, (off_t)offset);
	if (gztell(r->gz) != (z_off_t)offset && gzseek(r->gz, (z_off_t)offset, SEEK_SET) < 0)
		return -1;
	return gzread(r->gz, out, (unsigned)len);
}
