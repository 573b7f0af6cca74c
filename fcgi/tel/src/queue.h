/* SPDX-License-Identifier: MIT */
/*
 * A bounded queue of records, between the threads that make them and the one that exports them. A record is some bytes,
 * at a multiple of 8; records lie in one ring, so that a small one takes a small part of it. Internal to tel/.
 */
#ifndef TEL_QUEUE_H
#define TEL_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

/* Fields are private. */
struct queue {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	char *ring;
	size_t ring_bytes;        /* a power of two */
	uint64_t head, tail;      /* bytes ever written and released; their difference is in use */
	size_t records, capacity; /* in the ring; at most */
	uint64_t pushed;          /* records ever */
	size_t wake_at;
	bool closed;
};

/*
 * Makes room for `capacity` records of 500 bytes on average, whichever is reached first; the memory is touched as it
 * fills. queue_wait returns when `wake_at` records wait. Returns 0 or -ENOMEM. The struct must not move.
 */
int queue_init(struct queue *q, size_t capacity, size_t wake_at);
void queue_done(struct queue *q);

/* The same for a queue whose lock nobody can take or give back: that of a forked child's parent. */
void queue_done_in_child(struct queue *q);

/*
 * Any thread: appends a record, the copied parts in a row, which are not all empty and together take up to half of what
 * an empty queue has room for. Returns 0, -ENOBUFS (full) or -ESHUTDOWN (closed).
 */
int queue_push(struct queue *q, const struct slice *parts, size_t count);

/* Any thread: records that were pushed and not released. */
size_t queue_count(struct queue *q);

/* Any thread: records that were ever pushed. */
uint64_t queue_pushed(struct queue *q);

/* Any thread: refuses further records and wakes the reader for good. */
void queue_close(struct queue *q);

/* ---- one reading thread ---- */

/*
 * Waits until the monotonic `deadline_ns` or until the queue is closed; with `until_due` also until `wake_at` records
 * are there (or half the ring is full). True: it is closed.
 */
bool queue_wait(struct queue *q, uint64_t deadline_ns, bool until_due);

struct queue_reader {
	uint64_t at, end;
	size_t read; /* records */
};

/* Starts reading at the oldest record. */
void queue_read(struct queue *q, struct queue_reader *reader);

/*
 * Returns the next record, NULL after the last; the same until queue_advance. It is the reader's, who may change it,
 * until queue_release.
 */
void *queue_peek(const struct queue *q, struct queue_reader *reader, size_t *bytes);
void queue_advance(const struct queue *q, struct queue_reader *reader);

/* Frees what was advanced over. */
void queue_release(struct queue *q, const struct queue_reader *reader);

#endif
