/* SPDX-License-Identifier: MIT */
#include "tel/src/queue.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"

#define BYTES_PER_RECORD 512
#define RING_BYTES_MIN 65536

/* A record never wraps around the end of the ring: what is left there is filled with one that is empty. */
struct record {
	uint32_t bytes; /* with this header; a multiple of 8 */
	uint32_t data_bytes;
	_Alignas(8) char data[];
};

int queue_init(struct queue *q, size_t capacity, size_t wake_at)
{
	*q = (struct queue){.lock = PTHREAD_MUTEX_INITIALIZER,
			    .changed = PTHREAD_COND_INITIALIZER,
			    .ring_bytes = RING_BYTES_MIN,
			    .capacity = capacity,
			    .wake_at = wake_at};
	while (q->ring_bytes < capacity * BYTES_PER_RECORD)
		q->ring_bytes *= 2;
	q->ring = mmap(NULL, q->ring_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (q->ring == MAP_FAILED)
		return -ENOMEM;
	madvise(q->ring, q->ring_bytes, MADV_NOHUGEPAGE); /* one would touch 2 MiB at once */
	return 0;
}

void queue_done(struct queue *q)
{
	munmap(q->ring, q->ring_bytes);
	pthread_cond_destroy(&q->changed);
	pthread_mutex_destroy(&q->lock);
}

void queue_done_in_child(struct queue *q)
{
	munmap(q->ring, q->ring_bytes);
}

static size_t round_up(size_t bytes)
{
	return (bytes + 7) & ~(size_t)7;
}

static struct record *record_at(const struct queue *q, uint64_t position)
{
	return (struct record *)(q->ring + (position & (q->ring_bytes - 1)));
}

/* Contiguous room, or NULL. Under the lock. */
static struct record *make_room(struct queue *q, size_t data_bytes)
{
	size_t bytes = round_up(sizeof(struct record) + data_bytes);
	size_t to_end = q->ring_bytes - (q->head & (q->ring_bytes - 1));
	size_t skipped = bytes > to_end ? to_end : 0;

	if (q->records == q->capacity || q->head - q->tail + skipped + bytes > q->ring_bytes)
		return NULL;
	if (skipped) {
		*record_at(q, q->head) = (struct record){.bytes = (uint32_t)skipped};
		q->head += skipped;
	}
	struct record *record = record_at(q, q->head);
	*record = (struct record){.bytes = (uint32_t)bytes, .data_bytes = (uint32_t)data_bytes};
	q->head += bytes;
	return record;
}

/* A batch waits; or records are so large that the ring is full before. Under the lock. */
static bool is_batch_due(const struct queue *q)
{
	return q->records >= q->wake_at || q->head - q->tail > q->ring_bytes / 2;
}

static void copy_parts(char *to, const struct slice *parts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (parts[i].len)
			memcpy(to, parts[i].data, parts[i].len);
		to += parts[i].len;
	}
}

int queue_push(struct queue *q, const struct slice *parts, size_t count)
{
	size_t bytes = 0;

	for (size_t i = 0; i < count; i++)
		bytes += parts[i].len;
	pthread_mutex_lock(&q->lock);
	bool was_due = is_batch_due(q), closed = q->closed;
	struct record *record = closed ? NULL : make_room(q, bytes);
	if (record) {
		copy_parts(record->data, parts, count);
		q->records++;
		q->pushed++;
	}
	bool becomes_due = !was_due && is_batch_due(q);
	pthread_mutex_unlock(&q->lock);
	if (becomes_due)
		pthread_cond_signal(&q->changed);
	return record ? 0 : closed ? -ESHUTDOWN : -ENOBUFS;
}

size_t queue_count(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	size_t records = q->records;
	pthread_mutex_unlock(&q->lock);
	return records;
}

uint64_t queue_pushed(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	uint64_t pushed = q->pushed;
	pthread_mutex_unlock(&q->lock);
	return pushed;
}

void queue_close(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->closed = true;
	pthread_mutex_unlock(&q->lock);
	pthread_cond_signal(&q->changed);
}

bool queue_wait(struct queue *q, uint64_t deadline_ns, bool until_due)
{
	bool late = false;

	pthread_mutex_lock(&q->lock);
	while (!late && !q->closed && !(until_due && is_batch_due(q)))
		late = clock_wait_until(&q->changed, &q->lock, deadline_ns);
	bool closed = q->closed;
	pthread_mutex_unlock(&q->lock);
	return closed;
}

void queue_read(struct queue *q, struct queue_reader *reader)
{
	pthread_mutex_lock(&q->lock);
	*reader = (struct queue_reader){.at = q->tail, .end = q->head};
	pthread_mutex_unlock(&q->lock);
}

/* Needs no lock: nobody writes between tail and head. */
void *queue_peek(const struct queue *q, struct queue_reader *reader, size_t *bytes)
{
	while (reader->at != reader->end) {
		struct record *record = record_at(q, reader->at);
		if (record->data_bytes) {
			*bytes = record->data_bytes;
			return record->data;
		}
		reader->at += record->bytes;
	}
	return NULL;
}

void queue_advance(const struct queue *q, struct queue_reader *reader)
{
	reader->at += record_at(q, reader->at)->bytes;
	reader->read++;
}

void queue_release(struct queue *q, const struct queue_reader *reader)
{
	pthread_mutex_lock(&q->lock);
	q->tail = reader->at;
	q->records -= reader->read;
	if (q->records == 0)
		q->head = q->tail = 0; /* a queue that is drained in time stays in the same warm pages */
	pthread_mutex_unlock(&q->lock);
}
