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

/* The same for the queue of a forked child's parent, whose lock nobody can take or give back. */
void queue_done_in_child(struct queue *q);

/*
 * Appends a record: copies of the parts in a row, which are not all empty and together take up to half of the room of
 * an empty queue. Returns 0, -ENOBUFS if it is full, or -ESHUTDOWN if it is closed. Any thread may call.
 */
int queue_push(struct queue *q, const struct slice *parts, size_t count);

/* Returns the number of records that were pushed and not released. Any thread may call. */
size_t queue_count(struct queue *q);

/* Returns the number of records that were ever pushed. Any thread may call. */
uint64_t queue_pushed(struct queue *q);

/* Refuses further records and wakes the reader for good. Any thread may call. */
void queue_close(struct queue *q);

/* ---- one reading thread ---- */

/*
 * Waits until the monotonic `deadline_ns` or until the queue is closed; with `until_due` also until `wake_at` records
 * are there (or half the ring is full). Returns true if it is closed.
 */
bool queue_wait(struct queue *q, uint64_t deadline_ns, bool until_due);

struct queue_reader {
	uint64_t at, end;
	size_t read; /* records */
};

/* Starts reading at the oldest record. */
void queue_read(struct queue *q, struct queue_reader *reader);

/*
 * Returns the next record, the same one until queue_advance, or NULL after the last. The reader may change it until
 * queue_release.
 */
void *queue_peek(const struct queue *q, struct queue_reader *reader, size_t *bytes);
void queue_advance(const struct queue *q, struct queue_reader *reader);

/* Frees the records that were advanced over. */
void queue_release(struct queue *q, const struct queue_reader *reader);

#endif
