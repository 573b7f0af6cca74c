/* SPDX-License-Identifier: MIT */
#include "tel/src/metric_reader.h"

#include <errno.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/thread.h"
#include "tel/src/batch.h"
#include "tel/src/complain.h"
#include "tel/src/metrics.h"
#include "tel/src/otlp_metrics.h"

/* Of a request: at most 2 KiB each with the bounds, labels and exemplars that there may be, and mostly a tenth of it.
 */
#define POINTS_MAX 1024

/* Semantic conventions, "OpenTelemetry SDK metrics": a single bucket. */
static const double no_bounds[] = {0};
TEL_HISTOGRAM(collection_duration, "otel.sdk.metric_reader.collection.duration", "s",
	      "How long it took to read all metrics.", no_bounds, "otel.component.type");

static struct {
	unsigned interval_ms, timeout_ms;
	struct tel_batch *batch;
	struct thread thread;
	bool running;
	uint64_t resume_ns;       /* monotonic: no attempt before */
	uint64_t give_up_ns;      /* monotonic: no attempt for this collection after */
	uint64_t sending_ns;      /* how long this collection has waited for the collector */
	_Atomic uint64_t stop_ns; /* monotonic: no attempt after; UINT64_MAX until metric_reader_stop */
} metric_push = {.thread = THREAD_INITIALIZER};

/* ---- sending ----------------------------------------------------------------------------------------------------- */

/* Sleeps until the next attempt is allowed. Returns false if that is too late for this collection or after the end. */
static bool wait_to_push(void)
{
	while (clock_monotonic_ns() < metric_push.resume_ns) {
		uint64_t stop_ns = atomic_load(&metric_push.stop_ns);
		if (metric_push.resume_ns >= metric_push.give_up_ns || metric_push.resume_ns >= stop_ns)
			return false;
		if (stop_ns != UINT64_MAX) /* the thread is to stop, so it does not sleep any more */
			clock_sleep_until(metric_push.resume_ns);
		else
			thread_sleep(&metric_push.thread, metric_push.resume_ns);
	}
	return clock_monotonic_ns() < atomic_load(&metric_push.stop_ns);
}

/*
 * Sends the batch, with retries until its time is up. A batch that may have arrived is not sent again, as with spans. A
 * batch that has not arrived is no loss, since the next collection has the same counts. Returns false if the rest of
 * this collection is not worth an attempt.
 */
static bool try_to_push(void)
{
	while (wait_to_push()) {
		enum otlp_outcome outcome = batch_post(metric_push.batch)->outcome;
		if (outcome == OTLP_ACCEPTED || outcome == OTLP_REFUSED)
			return true;
		bool stopping = atomic_load(&metric_push.stop_ns) != UINT64_MAX;
		metric_push.resume_ns = clock_monotonic_ns() + batch_retry_ms(metric_push.batch) * NS_PER_MS;
		if (outcome == OTLP_UNKNOWN || (stopping && outcome != OTLP_BUSY))
			break;
	}
	batch_abandon(metric_push.batch);
	return false;
}

static bool push_batch(void)
{
	uint64_t begin_ns = clock_monotonic_ns();
	bool good = try_to_push();

	metric_push.sending_ns += clock_monotonic_ns() - begin_ns;
	return good;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static void encode_points(struct buf *out, void *points, size_t bytes)
{
	(void)bytes;
	otlp_add_points(out, points);
}

/* Since when is counted and until when; the clock may have been set back. */
static void set_times(struct otlp_points *points)
{
	points->now_ns = clock_realtime_ns();
	points->start_ns = metrics_start_ns() < points->now_ns ? metrics_start_ns() : points->now_ns;
}

/* Adds the points of a metric, and sends the batch whenever it is full. Returns false if the collection is over. */
static bool push_metric(struct otlp_points *points)
{
	unsigned series = metric_series_count(points->metric);

	points->first = 0;
	while (points->first < series) {
		size_t held = tel_batch_count(metric_push.batch), room = POINTS_MAX - held;
		points->count = series - points->first < room ? series - points->first : (unsigned)room;
		if (!held)
			set_times(points);
		if (room && batch_add_many(metric_push.batch, encode_points, points, sizeof(*points), points->count)) {
			points->first += points->count;
			continue;
		}
		if (!held) {
			complain_warn("a metric is too large to be sent", tel_str("metric", points->metric->name));
			return true;
		}
		if (!push_batch())
			return false;
	}
	return true;
}

static void push_metrics(void)
{
	uint64_t begin_ns = clock_monotonic_ns();
	struct otlp_points points = {0};
	bool good = true;
	/* when the next collection is due, it says more than this one */
	unsigned limit_ms = metric_push.timeout_ms < metric_push.interval_ms ? metric_push.timeout_ms
									     : metric_push.interval_ms;

	metric_push.give_up_ns = begin_ns + limit_ms * NS_PER_MS;
	if (!wait_to_push())
		return;
	begin_ns = clock_monotonic_ns();
	metric_push.sending_ns = 0;
	metrics_run_hooks();
	while (good && (points.metric = metrics_next(points.metric, METRIC_OTLP)))
		good = push_metric(&points);
	if (good && tel_batch_count(metric_push.batch))
		push_batch();
	uint64_t reading_ns = clock_monotonic_ns() - begin_ns - metric_push.sending_ns;
	tel_histogram_record(&collection_duration, (double)reading_ns / 1e9, "periodic_metric_reader");
}

static void push_until_stop(void *unused)
{
	uint64_t next_ns = clock_monotonic_ns() + metric_push.interval_ms * NS_PER_MS;

	(void)unused;
	while (!thread_sleep(&metric_push.thread, next_ns)) {
		push_metrics();
		next_ns += metric_push.interval_ms * NS_PER_MS;
		if (next_ns < clock_monotonic_ns())
			next_ns = clock_monotonic_ns();
	}
	push_metrics();
}

/* ---- life cycle -------------------------------------------------------------------------------------------------- */

int metric_reader_start(const struct settings *settings)
{
	metric_push.interval_ms = settings->metric_interval_ms;
	metric_push.timeout_ms = settings->metric_timeout_ms;
	metric_push.resume_ns = 0;
	atomic_store(&metric_push.stop_ns, UINT64_MAX);
	metric_push.batch = batch_new(SIGNAL_METRICS, POINTS_MAX);
	int error = metric_push.batch ? thread_start(&metric_push.thread, "tel-metrics", push_until_stop, NULL)
				      : -ENOMEM;
	metric_push.running = !error;
	if (error)
		tel_batch_free(metric_push.batch);
	return error;
}

void metric_reader_stop(unsigned budget_ms)
{
	if (!metric_push.running)
		return;
	atomic_store(&metric_push.stop_ns, clock_monotonic_ns() + budget_ms * NS_PER_MS);
	batch_stop(metric_push.batch, budget_ms);
	thread_stop(&metric_push.thread, CLOCK_NEVER);
	metric_push.running = false;
	tel_batch_free(metric_push.batch);
}

void metric_reader_in_child(void)
{
	if (!metric_push.running)
		return;
	batch_keep(metric_push.batch);
	metric_push.thread = (struct thread)THREAD_INITIALIZER;
	metric_push.running = false;
}
