/* SPDX-License-Identifier: MIT */
/* One exporter: a queue of records, and a thread that sends what is in it. Internal to tel/. */
#ifndef TEL_EXPORTER_H
#define TEL_EXPORTER_H

#include <stdatomic.h>

#include "base/thread.h"
#include "tel/src/batch.h"
#include "tel/src/queue.h"

struct exporter_config {
	enum signal signal;
	const char *thread; /* its name */
	size_t queue, batch;
	unsigned delay_ms, timeout_ms; /* between batches that are not full; of a batch with all its retries */
	void (*encode)(struct buf *out, void *record, size_t bytes); /* as batch_add has it */
};

/* Fields are private. EXPORTER_INITIALIZER to begin with. */
struct exporter {
	struct exporter_config config;
	struct queue queue;
	struct tel_batch *batch;
	struct thread thread;
	bool running;
	bool forked;                  /* it ran in the parent of this process, and was not started since */
	atomic_flag told;             /* that all is dropped because of that */
	uint64_t resume_ns;           /* monotonic: no attempt before */
	_Atomic uint64_t stop_ns;     /* monotonic: no attempt after; UINT64_MAX until exporter_stop */
	_Atomic uint64_t turned_away; /* records that the queue has not taken, ever */
	uint64_t pushed;              /* records that earlier queues have taken */
};

#define EXPORTER_INITIALIZER                                                                                           \
	{                                                                                                              \
		.thread = THREAD_INITIALIZER, .told = ATOMIC_FLAG_INIT                                                 \
	}

/* Starts the thread, with all signals blocked. After batch_configure. Returns 0, or -ENOMEM or -EAGAIN: then nothing
 * was started. */
int exporter_start(struct exporter *e, const struct exporter_config *config);

/*
 * The end: sends what is queued and ends the thread, within `budget_ms`; what is left is counted as dropped. A
 * collector that cannot be reached is not waited for. exporter_begin_stop does not wait, so that several can end at a
 * time.
 */
void exporter_begin_stop(struct exporter *e, unsigned budget_ms);
void exporter_end_stop(struct exporter *e);

/* Any thread: queues a record, as queue_push has it, or counts a drop. */
void exporter_push(struct exporter *e, const struct slice *parts, size_t count);

/* Any thread: records without a definitive answer. */
size_t exporter_queued(struct exporter *e);

/* Any thread: calls of exporter_push since the process began. */
uint64_t exporter_offered(struct exporter *e);

/*
 * In a forked child: there is no thread, and what was queued is the parent's. What comes from now on is counted as
 * dropped, which is said once, until exporter_start.
 */
void exporter_in_child(struct exporter *e);

#endif
