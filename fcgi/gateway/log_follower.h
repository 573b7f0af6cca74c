/* SPDX-License-Identifier: MIT */
/* A thread that follows the access log from where it has come to before, until it is told to stop. */
#ifndef APM_GATEWAY_LOG_FOLLOWER_H
#define APM_GATEWAY_LOG_FOLLOWER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/thread.h"
#include "gateway/log_tail.h"

#define LOG_FOLLOWER_POLL_MS 100 /* how often a log without news is looked at */

/* Begin with {.name = …, .thread = THREAD_INITIALIZER}. */
struct log_follower {
	const char *name;     /* literal, for the log: "spans" */
	const char *log_path; /* owned by the caller, like checkpoint_file, until the stop */
	const char *checkpoint_file;
	struct log_tail tail;
	struct thread thread;
	uint64_t saved_ns;     /* monotonic; the last durable checkpoint */
	uint64_t complaint_ns; /* the last complaint about checkpoints; 0: none, or it is settled */
};

/*
 * Reads the checkpoint (without one it begins at most 1 MiB before the end of the log) and starts `run` on a thread of
 * its own, with `f` as argument. *from is the checkpoint, inode 0 when there is none. 0 or -errno.
 */
int log_follower_start(struct log_follower *f, void (*run)(void *f), struct log_position *from);

/* Lets `run` see that it has to end, and waits until it has; calls `hurry` when it has not within `budget_ms`. */
void log_follower_stop(struct log_follower *f, unsigned budget_ms, void (*hurry)(void));

/* ---- for `run` ---- */

/* Waits at most `ms` milliseconds, shorter when the follower is to stop. True: it is. */
bool log_follower_wait(struct log_follower *f, unsigned ms);

/* The next line, in *line; rotations on the way are logged. False: nothing new. */
bool log_follower_next(struct log_follower *f, struct log_tail_line *line);

/* Moves the checkpoint. It is on the disk within a second or so of work; a failure is logged once a minute. */
void log_follower_save(struct log_follower *f, const struct log_position *position);

#endif
