/* SPDX-License-Identifier: MIT */
/*
 * The thread that looks after an open database, every second and when there is news: it looks at the files, logs each
 * failure once and its end once, makes writes of its own while writes fail, tends the write-ahead log and keeps the
 * time of the clock.
 */
#ifndef APM_DATABASE_WATCH_H
#define APM_DATABASE_WATCH_H

#include <stdbool.h>

struct steady_clock;
struct writer;

struct watch {
	struct writer *writer;
	struct steady_clock *clock;
	bool started;
};

/* Starts the thread. Returns 0 or -errno. */
int watch_start(struct watch *watch, struct writer *writer, struct steady_clock *clock);

/* Ends the thread if it was started. */
void watch_stop(struct watch *watch);

#endif
