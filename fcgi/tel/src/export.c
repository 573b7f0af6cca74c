/* SPDX-License-Identifier: MIT */
#include "tel/src/export.h"

#include <errno.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/thread.h"
#include "tel/src/batch.h"
#include "tel/src/queue.h"

#define NS_PER_MS UINT64_C(1000000)

static struct {
	const struct settings *settings;
	struct queue queue;
	struct tel_batch *batch;
	struct thread thread;
	bool running;
	uint64_t resume_ns;       /* monotonic: no attempt before */
	_Atomic uint64_t stop_ns; /* monotonic: no attempt after; UINT64_MAX until export_stop */
} exporter = {.thread = THREAD_INITIALIZER};

void export_span(const struct span *span)
{
	int error = exporter.running ? queue_push(&exporter.queue, span) : -ESHUTDOWN;

	if (error)
		self_dropped(error == -ENOBUFS ? DROP_QUEUE_FULL : DROP_SHUTDOWN, 1);
}

size_t export_queued(void)
{
	return exporter.running ? queue_count(&exporter.queue) : 0;
}

static bool stopping(void)
{
	return atomic_load(&exporter.stop_ns) != UINT64_MAX;
}

/* Waits until the collector wants to be asked again. False: that is after the end. */
static bool wait_for_turn(void)
{
	while (clock_monotonic_ns() < exporter.resume_ns) {
		if (exporter.resume_ns >= atomic_load(&exporter.stop_ns))
			return false;
		if (stopping()) /* the queue is closed, so it does not wait any more */
			clock_sleep_until(exporter.resume_ns);
		else
			queue_wait(&exporter.queue, exporter.resume_ns, false);
	}
	return clock_monotonic_ns() < atomic_load(&exporter.stop_ns);
}

/*
 * Sends the batch, with retries until OTEL_BSP_EXPORT_TIMEOUT has passed. A batch that may have arrived is not sent
 * again: a trace with a gap is better than one with doubles. False: the program ends before there is an answer.
 */
static bool send_batch(void)
{
	uint64_t give_up_ns = UINT64_MAX;

	while (wait_for_turn()) {
		if (give_up_ns == UINT64_MAX)
			give_up_ns = clock_monotonic_ns() + exporter.settings->export_timeout_ms * NS_PER_MS;
		enum otlp_outcome outcome = batch_post(exporter.batch)->outcome;
		if (outcome == OTLP_ACCEPTED || outcome == OTLP_REFUSED)
			return true;
		if (stopping() && outcome != OTLP_BUSY)
			return false;
		exporter.resume_ns = clock_monotonic_ns() + batch_retry_ms(exporter.batch) * NS_PER_MS;
		if (outcome == OTLP_UNKNOWN || exporter.resume_ns > give_up_ns) {
			batch_give_up(exporter.batch);
			return true;
		}
	}
	return false;
}

/* Spans leave the queue when their fate is known. False: none was there, or the program ends. */
static bool export_batch(void)
{
	const struct span *span;
	struct queue_reader reader;

	queue_read(&exporter.queue, &reader);
	while ((span = queue_peek(&exporter.queue, &reader)) && batch_add(exporter.batch, span))
		queue_advance(&exporter.queue, &reader);
	if (reader.read == 0 && !span)
		return false;
	if (reader.read == 0) { /* a single span that is too large for any batch */
		queue_advance(&exporter.queue, &reader);
		self_dropped(DROP_EXPORT_FAILED, 1);
	} else if (!send_batch()) {
		batch_clear(exporter.batch);
		return false;
	}
	queue_release(&exporter.queue, &reader);
	return true;
}

static void export_until_stop(void *unused)
{
	(void)unused;
	for (;;) {
		queue_wait(&exporter.queue, clock_monotonic_ns() + exporter.settings->schedule_delay_ms * NS_PER_MS,
			   true);
		/* What was not answered stays in the queue to be counted: it must not be sent once more. */
		if (!export_batch() && stopping())
			return;
	}
}

int export_start(const struct settings *settings)
{
	exporter.settings = settings;
	exporter.resume_ns = 0;
	atomic_store(&exporter.stop_ns, UINT64_MAX);
	int error = queue_init(&exporter.queue, settings->queue_spans, settings->batch_spans);
	if (error)
		return error;
	exporter.batch = tel_batch_new();
	error = exporter.batch ? thread_start(&exporter.thread, "tel-export", export_until_stop, NULL) : -ENOMEM;
	exporter.running = !error;
	if (error) {
		tel_batch_free(exporter.batch);
		queue_done(&exporter.queue);
	}
	return error;
}

void export_stop(unsigned budget_ms)
{
	if (!exporter.running)
		return;
	atomic_store(&exporter.stop_ns, clock_monotonic_ns() + budget_ms * NS_PER_MS);
	batch_stop(exporter.batch, budget_ms);
	queue_close(&exporter.queue);
	thread_stop(&exporter.thread, CLOCK_NEVER);

	size_t left = queue_count(&exporter.queue);
	if (left) {
		self_dropped(DROP_SHUTDOWN, left);
		tel_warn("spans were not sent before the end", tel_int("spans", (int64_t)left));
	}
	exporter.running = false;
	tel_batch_free(exporter.batch);
	queue_done(&exporter.queue);
}
