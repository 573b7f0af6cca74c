/* SPDX-License-Identifier: MIT */
#include "gateway/log_tail.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "gateway/log_rotation.h"

#define GRACE_NS NS_PER_SECOND
#define SEARCHES 3   /* A file that is being renamed can be missed once. */
#define FAILURES 600 /* So many searches that failed take a minute or so: nobody repairs the disk any more. */

void log_tail_init(struct log_tail *t, const char *path, const struct log_position *from, uint64_t backlog_bytes)
{
	*t = (struct log_tail){.path = path,
			       .reader = LOG_READER_NONE,
			       .next = LOG_READER_NONE,
			       .backlog_bytes = backlog_bytes,
			       .buffer = malloc(LOG_TAIL_LINE_MAX)};
	if (!t->buffer)
		abort();
	if (from)
		t->from = *from;
}

void log_tail_done(struct log_tail *t)
{
	log_reader_close(&t->next);
	log_reader_close(&t->reader);
	free(t->buffer);
}

/* ---- the file ---- */

static void read_head(struct log_tail *t)
{
	ssize_t bytes = log_reader_read(&t->reader, t->head, sizeof(t->head), 0);

	t->head_len = bytes < 0 ? 0 : (size_t)bytes;
}

/* Takes the file over and closes the previous one. */
static void use_file(struct log_tail *t, const struct log_reader *reader, uint64_t offset)
{
	struct stat st = {0};

	log_reader_close(&t->reader);
	t->reader = *reader;
	t->device = t->inode = 0;
	t->offset = t->read_offset = offset;
	t->begin = t->end = 0;
	t->in_long_line = t->was_at_end = t->lost = false;
	if (!log_reader_is_open(reader) || fstat(reader->fd, &st) != 0)
		return;
	t->device = st.st_dev;
	t->inode = st.st_ino;
	read_head(t);
}

/* Returns the first start of a line at or after `offset`. */
static uint64_t line_start(int fd, uint64_t offset)
{
	char chunk[4096];
	ssize_t bytes;

	if (offset == 0)
		return 0;
	for (uint64_t at = offset - 1; (bytes = pread(fd, chunk, sizeof(chunk), (off_t)at)) > 0;
	     at += (uint64_t)bytes) {
		const char *newline = memchr(chunk, '\n', (size_t)bytes);
		if (newline)
			return at + (uint64_t)(newline - chunk) + 1;
	}
	return offset;
}

static enum log_tail_event open_without_position(struct log_tail *t)
{
	struct log_reader reader;
	struct stat st;

	if (log_rotation_open(t->path, &t->from, &reader) == LOG_FOUND && fstat(reader.fd, &st) == 0) {
		uint64_t size = (uint64_t)st.st_size;
		use_file(t, &reader, size > t->backlog_bytes ? line_start(reader.fd, size - t->backlog_bytes) : 0);
	}
	t->backlog_bytes = UINT64_MAX; /* A log that begins later is read from its start. */
	return LOG_TAIL_IDLE;
}

/* Finds the file of a position, at the start and after the file at hand was replaced. */
static enum log_tail_event open_position(struct log_tail *t)
{
	struct log_reader reader;
	enum log_found found = log_rotation_open(t->path, &t->from, &reader);

	unsigned patience = found == LOG_UNKNOWN ? FAILURES : SEARCHES;
	if (found != LOG_FOUND && ++t->searches < patience) {
		log_reader_close(&reader);
		return LOG_TAIL_IDLE;
	}
	use_file(t, &reader, found == LOG_FOUND ? t->from.offset : 0);
	bool same = t->device == t->from.device && t->inode == t->from.inode;
	t->from = (struct log_position){0};
	t->backlog_bytes = UINT64_MAX;
	t->searches = 0;
	if (found == LOG_FOUND)
		return LOG_TAIL_IDLE;
	return same ? LOG_TAIL_TRUNCATED : LOG_TAIL_LOST;
}

bool log_tail_position(const struct log_tail *t, uint64_t offset, uint64_t parts, struct log_position *out)
{
	struct stat st;

	if (t->from.inode) {
		*out = t->from;
		return true;
	}
	if (!log_reader_is_open(&t->reader) || fstat(t->reader.fd, &st) != 0)
		return false;
	*out = (struct log_position){
		.device = t->device,
		.inode = t->inode,
		.offset = offset,
		.parts = parts,
		.head_len = t->head_len,
		.head = log_position_head(t->head, t->head_len),
		.changed_ns = log_position_changed_ns(&st),
	};
	return true;
}

/* ---- lines ---- */

/* Takes the next whole line of the buffer. */
static bool take_line(struct log_tail *t, struct log_tail_line *line)
{
	char *start = t->buffer + t->begin;
	char *newline = memchr(start, '\n', t->end - t->begin);

	if (!newline)
		return false;
	*line = (struct log_tail_line){start, (size_t)(newline - start), t->offset};
	if (t->in_long_line)
		line->len = 0;
	t->in_long_line = false;
	t->begin = (size_t)(newline + 1 - t->buffer);
	t->offset = t->read_offset - (t->end - t->begin);
	return true;
}

/* Returns true when the file has shrunk or begins in another way than it did. */
static bool is_replaced(const struct log_tail *t)
{
	char head[LOG_POSITION_HEAD_MAX];
	struct stat st;

	if (t->reader.gz)
		return false;
	if (fstat(t->reader.fd, &st) != 0 || (uint64_t)st.st_size < t->read_offset)
		return true;
	return pread(t->reader.fd, head, t->head_len, 0) != (ssize_t)t->head_len ||
	       memcmp(head, t->head, t->head_len) != 0;
}

/* Appends to the content of the buffer. Returns false when there is nothing more to read. */
static bool read_more(struct log_tail *t)
{
	if (t->begin) {
		memmove(t->buffer, t->buffer + t->begin, t->end - t->begin);
		t->end -= t->begin;
		t->begin = 0;
	}
	if (t->end == LOG_TAIL_LINE_MAX || t->in_long_line) {
		t->in_long_line = true;
		t->end = 0;
	}
	ssize_t bytes = log_reader_read(&t->reader, t->buffer + t->end, LOG_TAIL_LINE_MAX - t->end, t->read_offset);
	if (bytes < 0 && t->reader.gz)
		t->lost = true;
	if (bytes <= 0)
		return false;
	t->end += (size_t)bytes;
	t->read_offset += (uint64_t)bytes;
	return true;
}

/* ---- the end of the file ---- */

static bool is_at_path(const struct log_tail *t)
{
	struct stat st;

	return stat(t->path, &st) == 0 && st.st_dev == t->device && st.st_ino == t->inode;
}

static bool is_same_file(int a, int b)
{
	struct stat left, right;

	return fstat(a, &left) == 0 && fstat(b, &right) == 0 && left.st_dev == right.st_dev &&
	       left.st_ino == right.st_ino;
}

/* Returns true when the file was rotated and has had its time of grace; t->next is the one that follows then. */
static bool is_finished(struct log_tail *t)
{
	struct log_position here;
	struct log_reader next;

	if (is_at_path(t) || !log_tail_position(t, t->offset, 0, &here)) {
		log_reader_close(&t->next);
		return false;
	}
	enum log_found found = log_rotation_open_next(t->path, &here, &next);
	if (found != LOG_ABSENT && log_reader_is_open(&t->next) && is_same_file(next.fd, t->next.fd)) {
		log_reader_close(&next);
		t->lost |= found == LOG_LOST;
		return clock_monotonic_ns() - t->next_seen_ns >= GRACE_NS;
	}
	log_reader_close(&t->next);
	t->next = next;
	t->next_seen_ns = clock_monotonic_ns();
	return false;
}

static enum log_tail_event at_end(struct log_tail *t, struct log_tail_line *line)
{
	if (!is_finished(t))
		return LOG_TAIL_IDLE;
	if (t->end > t->begin || t->in_long_line) { /* The rest never got its newline. */
		*line = (struct log_tail_line){t->buffer + t->begin, t->end - t->begin, t->offset};
		t->begin = t->end = 0;
		t->in_long_line = false;
		t->offset = t->read_offset;
		return LOG_TAIL_LINE;
	}
	enum log_tail_event event = t->lost ? LOG_TAIL_LOST : LOG_TAIL_ROTATED;
	struct log_reader next = t->next;
	t->next = LOG_READER_NONE;
	use_file(t, &next, 0);
	return event;
}

enum log_tail_event log_tail_next(struct log_tail *t, struct log_tail_line *line)
{
	if (t->from.inode)
		return open_position(t);
	if (!log_reader_is_open(&t->reader))
		return open_without_position(t);
	for (;;) {
		if (take_line(t, line))
			return LOG_TAIL_LINE;
		bool read = read_more(t);
		bool paused = !read || t->was_at_end; /* Between reads without a pause nothing is replaced. */
		if (paused && is_replaced(t)) {
			log_tail_position(t, t->offset, 0, &t->from);
			return open_position(t);
		}
		t->was_at_end = !read;
		if (!read)
			return at_end(t, line);
		if (t->head_len < sizeof(t->head))
			read_head(t);
		log_reader_close(&t->next);
	}
}
