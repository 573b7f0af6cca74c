/* SPDX-License-Identifier: MIT */
#include "gateway/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"

#define TEXT_MAX 320 /* bytes of a checkpoint file */

/* "end" tells a whole file from one that was cut off. */
static const char write_format[] = "apm-checkpoint 1\n"
				   "device %" PRIu64 "\ninode %" PRIu64 "\noffset %" PRIu64 "\nparts %" PRIu64 "\n"
				   "head_bytes %" PRIu64 "\nhead %016" PRIx64 "\nchanged_ns %" PRId64 "\nend\n";
static const char read_format[] = "apm-checkpoint 1 "
				  "device %" SCNu64 " inode %" SCNu64 " offset %" SCNu64 " parts %" SCNu64
				  " head_bytes %" SCNu64 " head %" SCNx64 " changed_ns %" SCNd64 " end%n";

int checkpoint_read(const char *file, struct log_position *out)
{
	char text[TEXT_MAX];
	struct log_position p;
	int end = 0;
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	ssize_t len = read(fd, text, sizeof(text) - 1);
	int error = len < 0 ? errno : 0;
	close(fd);
	if (error)
		return -error;
	text[len] = '\0';
	if (sscanf(text, read_format, &p.device, &p.inode, &p.offset, &p.parts, &p.head_len, &p.head, &p.changed_ns,
		   &end) != 7 ||
	    end == 0 || p.inode == 0)
		return -EBADMSG;
	*out = p;
	return 0;
}

static int write_text(int fd, const char *text, size_t len, bool durable)
{
	ssize_t written = write(fd, text, len);

	if (written < 0)
		return -errno;
	if ((size_t)written != len)
		return -ENOSPC;
	return durable && fsync(fd) != 0 ? -errno : 0;
}

/* A name is durable when its directory is. */
static int sync_directory(const char *file)
{
	int fd = fd_open_directory_of(file);

	if (fd < 0)
		return -errno;
	int result = fsync(fd) == 0 ? 0 : -errno;
	close(fd);
	return result;
}

int checkpoint_write(const char *file, const struct log_position *p, bool durable)
{
	char name[PATH_MAX], text[TEXT_MAX];

	if ((size_t)snprintf(name, sizeof(name), "%s.new", file) >= sizeof(name))
		return -ENAMETOOLONG;
	int len = snprintf(text, sizeof(text), write_format, p->device, p->inode, p->offset, p->parts, p->head_len,
			   p->head, p->changed_ns);
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	int result = write_text(fd, text, (size_t)len, durable);
	close(fd);
	if (result == 0 && rename(name, file) != 0)
		result = -errno;
	if (result)
		unlink(name);
	else if (durable)
		result = sync_directory(file);
	return result;
}
