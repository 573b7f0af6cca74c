/* SPDX-License-Identifier: MIT */
#include "gateway/span_shipper.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "gateway/access_span.h"
#include "gateway/log_follower.h"
#include "gateway/log_rotation.h"
#include "tel/ship.h"

TEL_GAUGE(lag, "gateway.log.lag", "By", "Bytes of the access log whose spans have not been sent yet.");
TEL_GAUGE(last, "gateway.log.last_shipped.timestamp", "s", "When the collector last took a batch of spans.");

static struct {
	struct log_follower follower;
	struct tel_batch *batch;
	struct tel_parent context; /* of the line whose spans are made */
	uint64_t delay_ns;
	uint64_t oldest_ns; /* monotonic; when the first line after the checkpoint was seen; 0: there is none */
	atomic_bool hurry;  /* to end, even when lines are left */
	pthread_mutex_t lock;
	struct log_position shipped; /* the checkpoint; the thread writes it under the lock, scrapes read it */
} shipper = {.follower = {.name = "spans", .thread = THREAD_INITIALIZER}, .lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- the thread ---- */

/* The collector has everything before `offset`, and `parts` spans of the line there. */
static void move_checkpoint(uint64_t offset, uint64_t parts)
{
	struct log_position position;

	if (!log_tail_position(&shipper.follower.tail, offset, parts, &position))
		return;
	pthread_mutex_lock(&shipper.lock);
	shipper.shipped = position;
	pthread_mutex_unlock(&shipper.lock);
	shipper.oldest_ns = 0;
	log_follower_save(&shipper.follower, &position);
}

/* Sends the batch, however long the collector is away. Returns false when it is time to end and nothing was sent. */
static bool send_batch(uint64_t offset, uint64_t parts)
{
	unsigned retry_ms = 0;

	if (tel_batch_count(shipper.batch)) {
		while (tel_batch_send(shipper.batch, &retry_ms) == TEL_SENT_TRY_AGAIN)
			if (log_follower_wait(&shipper.follower, retry_ms))
				return false;
		tel_gauge_set(&last, (double)clock_realtime_ns() / 1e9);
	}
	move_checkpoint(offset, parts);
	return true;
}

/* Returns how many spans of the line were sent before the last start. */
static size_t parts_done(const struct log_tail_line *line)
{
	const struct log_position *shipped = &shipper.shipped;

	return line->offset == shipped->offset && shipper.follower.tail.inode == shipped->inode ? shipped->parts : 0;
}

/* Returns false when it is time to end. */
static bool ship_line(const struct log_tail_line *line)
{
	struct access_line facts;
	struct tel_span span;
	bool cut;

	if (!access_log_parse(line->text, line->len, &facts, &cut))
		return true; /* The metrics count it. */
	size_t count = access_span_count(&facts);
	if (count)
		access_span_context(&facts, &shipper.context);
	for (size_t i = parts_done(line); i < count; i++) {
		access_span_make(&facts, i, &span);
		tel_span_set_tracestate(&span, &shipper.context);
		if (tel_batch_add(shipper.batch, &span))
			continue;
		if (!send_batch(line->offset, i))
			return false;
		if (!tel_batch_add(shipper.batch, &span))
			abort(); /* An empty batch has room for any span. */
	}
	return true;
}

static bool is_due(void)
{
	const struct log_tail *tail = &shipper.follower.tail;
	uint64_t now_ns;

	if (tail->offset == shipper.shipped.offset && tail->inode == shipper.shipped.inode)
		return false;
	now_ns = clock_monotonic_ns();
	if (shipper.oldest_ns == 0)
		shipper.oldest_ns = now_ns;
	return now_ns - shipper.oldest_ns >= shipper.delay_ns;
}

static void run(void *arg)
{
	struct log_follower *f = arg;
	struct log_tail_line line;
	bool stop = false;

	while (!atomic_load_explicit(&shipper.hurry, memory_order_relaxed)) {
		bool more = log_follower_next(f, &line);
		if (more && !ship_line(&line))
			break;
		if ((is_due() || (stop && !more)) && !send_batch(f->tail.offset, 0))
			break;
		if (stop && !more)
			break;
		if (!more && !shipper.shipped.inode) /* The first start: all that follows is ours. */
			move_checkpoint(f->tail.offset, 0);
		if (!more)
			stop = log_follower_wait(f, LOG_FOLLOWER_POLL_MS);
	}
}

/* ---- its start and stop ---- */

static void set_lag(void)
{
	pthread_mutex_lock(&shipper.lock);
	struct log_position shipped = shipper.shipped;
	pthread_mutex_unlock(&shipper.lock);
	if (shipped.inode)
		tel_gauge_set(&lag, (double)log_rotation_unread(shipper.follower.log_path, &shipped));
}

int span_shipper_start(const char *access_log, const char *checkpoint_file)
{
	shipper.batch = tel_batch_new();
	if (!shipper.batch)
		return -ENOMEM;
	shipper.oldest_ns = 0;
	atomic_store(&shipper.hurry, false);
	shipper.delay_ns = tel_batch_delay_ms() * NS_PER_MS;
	shipper.follower.log_path = access_log;
	shipper.follower.checkpoint_file = checkpoint_file;
	tel_metrics_hook(set_lag);
	return log_follower_start(&shipper.follower, run, &shipper.shipped);
}

static void hurry(void)
{
	atomic_store(&shipper.hurry, true);
	tel_batch_cancel(shipper.batch);
}

void span_shipper_stop(unsigned budget_ms)
{
	log_follower_stop(&shipper.follower, budget_ms, hurry);
	tel_batch_free(shipper.batch);
}
