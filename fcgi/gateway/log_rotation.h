/* SPDX-License-Identifier: MIT */
/*
 * A log and what rotation made of it: "api-gateway.log", and beside it "api-gateway.log.1" or
 * "api-gateway.log-20261122", perhaps compressed. What gzip has made is read; files of other compressors are known to
 * be missing. The file of a position is found under any name in that directory.
 */
#ifndef APM_GATEWAY_LOG_ROTATION_H
#define APM_GATEWAY_LOG_ROTATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/log_reader.h"

#define LOG_HEAD_BYTES 256

/*
 * A place in the log: everything before it is done, rotated files included. A file is known by its number and by how it
 * begins: numbers are used again, and a file that is copied away and truncated keeps its own.
 */
struct log_position {
	uint64_t device, inode; /* inode 0: no position */
	uint64_t offset;        /* start of a line, in bytes */
	uint64_t parts;         /* of that line that are done all the same: spans */
	uint64_t head_bytes;    /* LOG_HEAD_BYTES at most: what is known of the beginning */
	uint64_t head;          /* log_position_head of that */
	int64_t changed_ns;     /* realtime; when the file was last written to */
};

/* A fingerprint of how a file begins. */
uint64_t log_position_head(const char *bytes, size_t count);

enum log_found {
	LOG_FOUND,
	LOG_ABSENT,  /* there is no such file (yet) */
	LOG_UNKNOWN, /* the disk does not let us look, or there are no descriptors: ask again */
	LOG_LOST /* a file is gone or cannot be read; what was opened, if anything, is the oldest that came after it */
};

/*
 * Opens the file of a position, wherever rotation or copying has put it; the caller closes *out. After LOG_LOST reading
 * starts at 0, too.
 */
enum log_found log_rotation_open(const char *path, const struct log_position *position, struct log_reader *out);

/* Opens the file that came after the one of a position, which is being read. LOG_ABSENT: none yet, as far as can be
 * seen; never LOG_UNKNOWN. */
enum log_found log_rotation_open_next(const char *path, const struct log_position *position, struct log_reader *out);

/* Bytes from the position to the end of the log, over all files; compressed ones count as they are. */
uint64_t log_rotation_unread(const char *path, const struct log_position *position);

#endif
