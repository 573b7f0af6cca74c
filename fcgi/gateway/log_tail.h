/* SPDX-License-Identifier: MIT */
/* Follows a log through rotation, truncation and restarts, line by line. It waits for nothing but the disk. */
#ifndef APM_GATEWAY_LOG_TAIL_H
#define APM_GATEWAY_LOG_TAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/log_position.h"
#include "gateway/log_reader.h"

#define LOG_TAIL_LINE_MAX ((size_t)256 * 1024) /* bytes; a longer line comes as an empty one */

enum log_tail_event {
	LOG_TAIL_LINE,
	LOG_TAIL_IDLE,      /* nothing is new: ask again in a while */
	LOG_TAIL_ROTATED,   /* the file is read to its end, the next one follows */
	LOG_TAIL_TRUNCATED, /* the file was emptied and is read from its start; its unread lines are gone */
	LOG_TAIL_LOST       /* a file or its end could not be read: lines are missing; the next file follows */
};

/* One thread owns it. All but `offset` and `inode` is private to log_tail.c. */
struct log_tail {
	const char *path;
	uint64_t offset;          /* in the file: the end of the last line that was given */
	struct log_reader reader; /* LOG_READER_NONE while there is no file */
	uint64_t device, inode;
	struct log_position from; /* reading begins here once a file is there; inode 0: backlog_bytes says where */
	uint64_t backlog_bytes;
	unsigned searches;      /* how often the file of `from` was not found */
	struct log_reader next; /* the file that follows the rotated one; LOG_READER_NONE until there is one */
	uint64_t next_seen_ns;
	bool lost;            /* the end of this file, or a file before the next, is missing */
	bool was_at_end;      /* the last read found nothing */
	bool in_long_line;    /* of which nothing is kept */
	uint64_t read_offset; /* in the file: the end of the buffer's content */
	char *buffer;         /* LOG_TAIL_LINE_MAX bytes */
	size_t begin, end;    /* the part of it that was not given yet */
	char head[LOG_POSITION_HEAD_MAX];
	size_t head_len;
};

/* A line without its newline. The caller may write to it until the next log_tail_next. */
struct log_tail_line {
	char *text;
	size_t len;
	uint64_t offset; /* of its first byte */
};

/*
 * Begins at a position, or when `from` is NULL at most `backlog_bytes` before the end of the log, at the start of a
 * line. The log need not exist yet. `path` must outlive the tail. Aborts when memory is short.
 */
void log_tail_init(struct log_tail *t, const char *path, const struct log_position *from, uint64_t backlog_bytes);
void log_tail_done(struct log_tail *t);

/*
 * Returns the next thing that happened. A line without a newline is waited for, and given as it is at the end of a
 * rotated file. A rotated file is left after a second without news: nginx's workers write to it until the signal has
 * reached each of them.
 */
enum log_tail_event log_tail_next(struct log_tail *t, struct log_tail_line *line);

/*
 * Fills *out with the position at `offset` (that of the line given last, or t->offset) of the file being read, with
 * `parts` of the line there done. Returns false when no file was there yet.
 */
bool log_tail_position(const struct log_tail *t, uint64_t offset, uint64_t parts, struct log_position *out);

#endif
