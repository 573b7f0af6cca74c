/* SPDX-License-Identifier: MIT */
/* A thread that follows the access log from its checkpoint until it is told to stop. */
#ifndef APM_GATEWAY_LOG_FOLLOWER_H
#define APM_GATEWAY_LOG_FOLLOWER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/thread.h"
#include "gateway/log_tail.h"

#define LOG_FOLLOWER_POLL_MS 100 /* A log without news is looked at again after that. */

/* Begin with {.name = …, .thread = THREAD_INITIALIZER}. */
struct log_follower {
	const char *name;     /* literal, for the program's log: "spans" */
	const char *log_path; /* owned by the caller, like checkpoint_file, until the stop */
	const char *checkpoint_file;
	struct log_tail tail;
	struct thread thread;
	uint64_t saved_ns;     /* monotonic; the last durable checkpoint */
	uint64_t complaint_ns; /* the last complaint about checkpoints; 0: there is none that still holds */
};

/*
 * Reads the checkpoint into *from and starts `run` on a thread of its own, with `f` as argument. Without a checkpoint
 * (inode 0) reading begins at most 1 MiB before the end of the log. Returns 0 or -errno.
 */
int log_follower_start(struct log_follower *f, void (*run)(void *f), struct log_position *from);

/* Tells `run` to end and waits until it has; calls `hurry` when that takes longer than `budget_ms`. */
void log_follower_stop(struct log_follower *f, unsigned budget_ms, void (*hurry)(void));

/* ---- for `run` ---- */

/* Waits for `ms` milliseconds, or until the follower is to stop; returns true when it is to stop. */
bool log_follower_wait(struct log_follower *f, unsigned ms);

/* Fills *line with the next line and logs rotations on the way. Returns false when there is nothing new. */
bool log_follower_next(struct log_follower *f, struct log_tail_line *line);

/* Moves the checkpoint. Once a second of work it is made durable; failures are logged once a minute. */
void log_follower_save(struct log_follower *f, const struct log_position *position);

#endif
