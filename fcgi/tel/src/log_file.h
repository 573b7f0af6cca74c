/* SPDX-License-Identifier: MIT */
/* The way of log lines: bounded buffers, the thread that empties them, the file. Internal to tel/. */
#ifndef TEL_LOG_FILE_H
#define TEL_LOG_FILE_H

#include <stdbool.h>
#include <stddef.h>

#define LOG_LINE_MAX 16384 /* bytes of a line with its newline */

/* Opens `path`, or stderr if it is NULL, and starts the thread. Returns 0, or -errno if nothing has changed. -EBUSY
 * means that the earlier thread still hangs in a write, which log_file_stop did not wait for. */
int log_file_start(const char *path);

/*
 * Writes the buffered lines, within `budget_ms`, and ends the thread. The rest is counted as dropped. Lines that come
 * later are written at once.
 */
void log_file_stop(unsigned budget_ms);

/*
 * Queues one line of at most LOG_LINE_MAX bytes that ends with a newline; never waits for the disk while the thread
 * runs. It is written within about 50 ms, at once when `urgent`. Without room it is dropped and counted. While no
 * thread runs it is written here and now.
 */
void log_file_add(const char *line, size_t bytes, bool urgent);

/* Counts lines that went elsewhere, or nowhere. Any thread. */
void log_count_lines(unsigned written, unsigned dropped);

/* Called around a fork. The child has the file but no thread, so it writes lines at once. Buffered lines are the
 * parent's. */
void log_file_before_fork(void);
void log_file_in_child(void);

#endif
