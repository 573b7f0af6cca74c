/* SPDX-License-Identifier: MIT */
/* Follows a log through rotation, truncation and restarts, line by line. Never blocks on anything but the disk. */
#ifndef APM_GATEWAY_LOG_TAIL_H
#define APM_GATEWAY_LOG_TAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/log_rotation.h"

#define LOG_TAIL_LINE_MAX ((size_t)256 * 1024) /* bytes; a longer line comes as an empty one */

enum log_tail_event {
	LOG_TAIL_LINE,
	LOG_TAIL_IDLE,      /* nothing new: ask again in a while */
	LOG_TAIL_ROTATED,   /* the file is finished, the next one follows */
	LOG_TAIL_TRUNCATED, /* the file was emptied and is read from its start; what was not read before is gone */
	LOG_TAIL_LOST       /* a file or its end could not be read: lines are missing; what came after follows */
};

/* One thread's; private to tail.c but for reading `offset`. */
struct log_tail {
	const char *path;
	uint64_t offset;          /* in the file: behind the line given last */
	struct log_reader reader; /* none: no file yet */
	uint64_t device, inode;
	struct log_position from; /* where to begin once a file is there; inode 0: see backlog_bytes */
	uint64_t backlog_bytes;
	unsigned searches;      /* for the file of `from`, in vain */
	struct log_reader next; /* what the file was rotated to; none: nothing yet */
	uint64_t next_seen_ns;
	bool lost;            /* between the two a file is missing, or the end of the first */
	bool caught_up;       /* the last read found nothing */
	bool in_long_line;    /* of which nothing is kept */
	uint64_t read_offset; /* in the file: behind what is in the buffer */
	char *buffer;         /* LOG_TAIL_LINE_MAX bytes */
	size_t begin, end;    /* the part of it that was not given yet */
	char head[LOG_POSITION_HEAD_MAX];
	size_t head_len;
};

/* A line without its newline, the caller's to write to until the next log_tail_next. */
struct log_tail_line {
	char *text;
	size_t bytes;
	uint64_t offset; /* of its first byte */
};

/*
 * Begins at a position, or when `from` is NULL at most `backlog_bytes` before the end of the log, at the start of a
 * line. The log need not exist yet. `path` must outlive the tail. Aborts when memory is short.
 */
void log_tail_init(struct log_tail *t, const char *path, const struct log_position *from, uint64_t backlog_bytes);
void log_tail_done(struct log_tail *t);

/*
 * The next thing that happened. A line that has no newline yet is waited for; at the end of a rotated file it is given
 * as it is. A file that was rotated is left after a second without news, because nginx's workers write to it until the
 * signal has reached each of them.
 */
enum log_tail_event log_tail_next(struct log_tail *t, struct log_tail_line *line);

/*
 * The position at `offset` (that of the line given last, or t->offset) of the file being read, with `parts` of the line
 * there done. False: no file was there yet.
 */
bool log_tail_position(const struct log_tail *t, uint64_t offset, uint64_t parts, struct log_position *out);

#endif
