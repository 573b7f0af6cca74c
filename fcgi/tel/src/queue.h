/* SPDX-License-Identifier: MIT */
/*
 * The bounded queue of finished spans, between the threads that end them and the one that exports them. Spans lie as
 * records of their used size in one ring of bytes, so that a small span takes a small part of it. Internal to
 * tel/.
 */
#ifndef TEL_QUEUE_H
#define TEL_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span;

/* Fields are private. */
struct queue {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	char *ring;
	size_t ring_bytes;      /* a power of two */
	uint64_t head, tail;    /* bytes ever written and released; their difference is in use */
	size_t spans, capacity; /* in the ring; at most */
	size_t wake_at;
	bool closed;
};

/*
 * Room for `capacity` spans of 500 bytes on average, whichever is reached first; the memory is touched as it fills.
 * queue_wait returns when `wake_at` spans wait. Returns 0 or -ENOMEM. The struct must not move.
 */
int queue_init(struct queue *q, size_t capacity, size_t wake_at);
void queue_done(struct queue *q);

/* Any thread: copies the span with its tracestate. 0, -ENOBUFS (full) or -ESHUTDOWN (closed). */
int queue_push(struct queue *q, const struct span *span);

/* Any thread: spans that were pushed and not released. */
size_t queue_count(struct queue *q);

/* Any thread: refuses further spans and wakes the reader for good. */
void queue_close(struct queue *q);

/* ---- one reading thread ---- */

/*
 * Waits until the monotonic `deadline_ns` or until the queue is closed; with `until_due` also until `wake_at` spans are
 * there (or half the ring is full). True: it is closed.
 */
bool queue_wait(struct queue *q, uint64_t deadline_ns, bool until_due);

struct queue_reader {
	uint64_t at, end;
	size_t read; /* spans */
};

/* Starts reading at the oldest span. */
void queue_read(struct queue *q, struct queue_reader *reader);

/*
 * The next span, NULL after the last; the same until queue_advance. It has what `span_size` says, and no more bytes of
 * `data`; valid until queue_release. Its `outer` and `baggage` are NULL.
 */
const struct span *queue_peek(const struct queue *q, struct queue_reader *reader);
void queue_advance(const struct queue *q, struct queue_reader *reader);

/* Frees what was advanced over. */
void queue_release(struct queue *q, const struct queue_reader *reader);

#endif
