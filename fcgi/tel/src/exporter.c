/* SPDX-License-Identifier: MIT */
#include "tel/src/exporter.h"

#include <errno.h>

#include "base/clock.h"
#include "tel/src/complain.h"

/* ---- any thread ---- */

static void tell_forked(enum signal signal)
{
	complain_warn(signal == SIGNAL_LOGS
			      ? "log records are dropped: this process was forked, and has not called tel_init since"
			      : "spans are dropped: this process was forked, and has not called tel_init since");
}

void exporter_push(struct exporter *e, const struct slice *parts, size_t count)
{
	int error = e->running ? queue_push(&e->queue, parts, count) : -ESHUTDOWN;

	if (!error)
		return;
	atomic_fetch_add_explicit(&e->turned_away, 1, memory_order_relaxed);
	self_turned_away(e->config.signal, error == -ENOBUFS ? DROP_QUEUE_FULL : DROP_SHUTDOWN, 1);
	if (e->forked && !atomic_flag_test_and_set_explicit(&e->told, memory_order_relaxed))
		tell_forked(e->config.signal);
}

size_t exporter_queued(struct exporter *e)
{
	pthread_mutex_lock(&e->thread.lock);
	size_t queued = e->running ? queue_count(&e->queue) : 0;
	pthread_mutex_unlock(&e->thread.lock);
	return queued;
}

uint64_t exporter_offered(struct exporter *e)
{
	pthread_mutex_lock(&e->thread.lock);
	uint64_t pushed = e->pushed + (e->running ? queue_pushed(&e->queue) : 0);
	pthread_mutex_unlock(&e->thread.lock);
	return pushed + atomic_load_explicit(&e->turned_away, memory_order_relaxed);
}

/* ---- its thread ---- */

static bool stopping(struct exporter *e)
{
	return atomic_load(&e->stop_ns) != UINT64_MAX;
}

/* Sleeps until the next attempt is allowed. Returns false if that is after the shutdown deadline. */
static bool wait_for_turn(struct exporter *e)
{
	while (clock_monotonic_ns() < e->resume_ns) {
		if (e->resume_ns >= atomic_load(&e->stop_ns))
			return false;
		if (stopping(e)) /* the queue is closed, so it does not wait any more */
			clock_sleep_until(e->resume_ns);
		else
			queue_wait(&e->queue, e->resume_ns, false);
	}
	return clock_monotonic_ns() < atomic_load(&e->stop_ns);
}

/*
 * Sends the batch, with retries until its time is up (OTEL_BSP_EXPORT_TIMEOUT, OTEL_BLRP_EXPORT_TIMEOUT). A batch that
 * may have arrived is not sent again, because a missing span is better than a duplicate. Returns false if the program
 * ends before there is an answer.
 */
static bool send_batch(struct exporter *e)
{
	uint64_t give_up_ns = UINT64_MAX;

	while (wait_for_turn(e)) {
		if (give_up_ns == UINT64_MAX)
			give_up_ns = clock_monotonic_ns() + e->config.timeout_ms * NS_PER_MS;
		enum otlp_outcome outcome = batch_post(e->batch)->outcome;
		if (outcome == OTLP_ACCEPTED || outcome == OTLP_REFUSED)
			return true;
		if (stopping(e) && outcome != OTLP_BUSY)
			return false;
		e->resume_ns = clock_monotonic_ns() + batch_retry_ms(e->batch) * NS_PER_MS;
		if (outcome == OTLP_UNKNOWN || e->resume_ns > give_up_ns) {
			batch_give_up(e->batch);
			return true;
		}
	}
	return false;
}

/* Sends records, which leave the queue when their fate is known. Returns false if there was none, or at the end. */
static bool export_batch(struct exporter *e)
{
	struct queue_reader reader;
	size_t bytes;
	void *record;

	queue_read(&e->queue, &reader);
	while ((record = queue_peek(&e->queue, &reader, &bytes)) &&
	       batch_add(e->batch, e->config.encode, record, bytes))
		queue_advance(&e->queue, &reader);
	if (reader.read == 0 && !record)
		return false;
	if (reader.read == 0) { /* a single record that is too large for any batch */
		queue_advance(&e->queue, &reader);
		self_turned_away(e->config.signal, DROP_EXPORT_FAILED, 1);
	} else if (!send_batch(e)) {
		return false; /* exporter_end_stop counts what is in the batch and in the queue */
	}
	queue_release(&e->queue, &reader);
	return true;
}

static void export_until_stop(void *exporter)
{
	struct exporter *e = exporter;

	for (;;) {
		queue_wait(&e->queue, clock_monotonic_ns() + e->config.delay_ms * NS_PER_MS, true);
		/* Records without an answer stay in the queue to be counted. They must not be sent once more. */
		if (!export_batch(e) && stopping(e))
			return;
	}
}

/* ---- life cycle ---- */

int exporter_start(struct exporter *e, const struct exporter_config *config)
{
	e->config = *config;
	e->resume_ns = 0;
	e->forked = false;
	atomic_store(&e->stop_ns, UINT64_MAX);
	int error = queue_init(&e->queue, config->queue, config->batch);
	if (error)
		return error;
	e->batch = batch_new(config->signal, config->batch);
	error = e->batch ? thread_start(&e->thread, config->thread, export_until_stop, e) : -ENOMEM;
	e->running = !error;
	if (error) {
		tel_batch_free(e->batch);
		queue_done(&e->queue);
	}
	return error;
}

void exporter_begin_stop(struct exporter *e, unsigned budget_ms)
{
	if (!e->running)
		return;
	atomic_store(&e->stop_ns, clock_monotonic_ns() + budget_ms * NS_PER_MS);
	batch_stop(e->batch, budget_ms);
	queue_close(&e->queue);
}

void exporter_end_stop(struct exporter *e)
{
	if (!e->running)
		return;
	thread_stop(&e->thread, CLOCK_NEVER);
	size_t left = queue_count(&e->queue), passed = batch_abandon(e->batch);

	if (left > passed)
		self_turned_away(e->config.signal, DROP_SHUTDOWN, left - passed);
	if (left)
		complain_warn(e->config.signal == SIGNAL_LOGS ? "log records were not sent before the end"
							      : "spans were not sent before the end",
			      tel_int(e->config.signal == SIGNAL_LOGS ? "log_records" : "spans", (int64_t)left));
	tel_batch_free(e->batch);
	pthread_mutex_lock(&e->thread.lock); /* who reads metrics meanwhile asks for both */
	e->pushed += queue_pushed(&e->queue);
	e->running = false;
	queue_done(&e->queue);
	pthread_mutex_unlock(&e->thread.lock);
}

/* The locks may be held by threads that are not here, and the parent goes on with the batch's connection. */
void exporter_in_child(struct exporter *e)
{
	if (e->running) {
		queue_done_in_child(&e->queue);
		batch_keep(e->batch);
		e->forked = true;
	}
	e->thread = (struct thread)THREAD_INITIALIZER; /* who reads metrics takes its lock, whether it runs or not */
	e->running = false;
	e->pushed = 0;
	atomic_store_explicit(&e->turned_away, 0, memory_order_relaxed);
	atomic_flag_clear(&e->told);
}
