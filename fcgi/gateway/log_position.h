/* SPDX-License-Identifier: MIT */
/* A place in a log that is rotated. */
#ifndef APM_GATEWAY_LOG_POSITION_H
#define APM_GATEWAY_LOG_POSITION_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/hash.h"

#define LOG_POSITION_HEAD_MAX 256 /* bytes */

/*
 * Everything before the position is done, rotated files included. A file is known by its inode and by how it begins:
 * inodes are used again, and a file that is copied away and truncated keeps its own.
 */
struct log_position {
	uint64_t device, inode; /* inode 0: no position */
	uint64_t offset;        /* the start of a line, in bytes */
	uint64_t parts;         /* so many parts of that line, its spans, are done as well */
	uint64_t head_len;      /* so many bytes of the file's beginning are known, LOG_POSITION_HEAD_MAX at most */
	uint64_t head;          /* log_position_head of them */
	int64_t changed_ns;     /* realtime; when the file was last written to */
};

/* Returns a fingerprint of how a file begins. */
static inline uint64_t log_position_head(const char *head, size_t len)
{
	return hash_bytes(head, len);
}

/* Returns when a file was last written to, for `changed_ns`. */
static inline int64_t log_position_changed_ns(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * (int64_t)NS_PER_SECOND + st->st_mtim.tv_nsec;
}

#endif
