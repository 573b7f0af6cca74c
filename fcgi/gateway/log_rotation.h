/* SPDX-License-Identifier: MIT */
/*
 * Finds the file of a position in a log that is rotated: under its own name, under those that rotation gives, under any
 * other name in the same directory, or in a copy. Files that gzip has made are read; those of other compressors are
 * known by their names and count as lost.
 */
#ifndef APM_GATEWAY_LOG_ROTATION_H
#define APM_GATEWAY_LOG_ROTATION_H

#include "gateway/log_position.h"
#include "gateway/log_reader.h"

enum log_found {
	LOG_FOUND,
	LOG_ABSENT,  /* there is no such file yet */
	LOG_UNKNOWN, /* the disk does not let us look, or descriptors are short: ask again */
	LOG_LOST     /* a file is gone or cannot be read; the oldest that came after it is open, if there is one */
};

/* Opens the file of a position; the caller closes *out. Reading starts at the position, and at 0 after LOG_LOST. */
enum log_found log_rotation_open(const char *path, const struct log_position *position, struct log_reader *out);

/*
 * Opens the file that came after the one of a position, which is being read. Returns LOG_ABSENT when none is seen, and
 * never LOG_UNKNOWN.
 */
enum log_found log_rotation_open_next(const char *path, const struct log_position *position, struct log_reader *out);

/* Returns the bytes from the position to the end of the log, over all files; compressed ones count as they are. */
uint64_t log_rotation_unread(const char *path, const struct log_position *position);

#endif
