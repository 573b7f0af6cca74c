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
	const char *thread;                                          /* its name */
	size_t queue, batch;                                         /* records that they hold at most */
	unsigned delay_ms;                                           /* between batches that are not full */
	unsigned timeout_ms;                                         /* of a batch with all its retries */
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

/* Starts the thread, with all signals blocked; call it after batch_configure. Returns 0, or -ENOMEM or -EAGAIN if
 * nothing was started. */
int exporter_start(struct exporter *e, const struct exporter_config *config);

/*
 * Sends the queued records and ends the thread, within `budget_ms`, and counts the rest as dropped. It does not wait
 * for a collector that cannot be reached. exporter_begin_stop does not wait at all, so that several exporters can end
 * at the same time.
 */
void exporter_begin_stop(struct exporter *e, unsigned budget_ms);
void exporter_end_stop(struct exporter *e);

/* Queues a record, as queue_push has it, or counts a drop. Any thread may call. */
void exporter_push(struct exporter *e, const struct slice *parts, size_t count);

/* Returns the number of records without a definitive answer. Any thread may call. */
size_t exporter_queued(struct exporter *e);

/* Returns how often exporter_push was called since the process began. Any thread may call. */
uint64_t exporter_offered(struct exporter *e);

/*
 * For a forked child, which has no thread; the queued records are the parent's. Until exporter_start further records
 * are counted as dropped, which is logged once.
 */
void exporter_in_child(struct exporter *e);

#endif
