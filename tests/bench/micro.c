/* SPDX-License-Identifier: MIT */
/*
 * What telemetry costs a request: nanoseconds of one operation, on one thread and on eight, its allocations, and bytes
 * of a span. Prints one JSON object a line, which tests/bench/bench.py reads. --quick: to see that it works. It asserts
 * nothing: time depends on the machine.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../unit/lib/count_allocations.h"
#include "base/buf.h"
#include "base/clock.h"
#include "tel/src/otlp.h"
#include "tel/src/queue.h"
#include "tel/src/span.h"

#define THREADS_MAX 8
#define QUEUE_SPANS 2048
#define BURST 100 /* operations between two looks at the clock */

TEL_COUNTER(operations, "bench.operations", "{operation}", "Operations.");
TEL_COUNTER(sent, "bench.sent", "{message}", "Operations with a label.", "channel");
TEL_GAUGE(active, "bench.active", "{request}", "Operations under way.");
TEL_HISTOGRAM(durations, "bench.duration", "s", "Durations.", tel_http_bounds, "route");

static struct queue queue;
static atomic_long dropped;
static long effort = 1; /* divides the rounds */

static void push(const struct span *span)
{
	const struct slice parts[] = {{(const char *)span, span_size(span)},
				      {span->tracestate, span->tracestate ? strlen(span->tracestate) + 1 : 0}};

	if (queue_push(&queue, parts, 2))
		atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
}

/* Stands for the exporter. */
static void *drain(void *unused)
{
	struct queue_reader reader;
	size_t bytes;

	(void)unused;
	while (!queue_wait(&queue, clock_monotonic_ns() + 1000000, true)) {
		queue_read(&queue, &reader);
		while (queue_peek(&queue, &reader, &bytes))
			queue_advance(&queue, &reader);
		queue_release(&queue, &reader);
	}
	return NULL;
}

/* The span of OpenTelemetry's performance benchmark: one attribute, one event. */
static void standard_span(void)
{
	TEL_SPAN(span, "span", TEL_INTERNAL);
	tel_span_set(span, tel_int("number", 1));
	tel_span_event(span, "event");
}

/* The attributes that http/request_telemetry.c sets. */
static void server_span(void)
{
	TEL_SPAN(span, "request", TEL_SERVER);
	tel_span_rename(span, "GET", "/api/v1/users/{id}");
	tel_span_set(span, tel_lit("http.request.method", "GET"), tel_str("http.route", "/api/v1/users/{id}"),
		     tel_str("url.path", "/api/v1/users/17"), tel_lit("url.scheme", "http"),
		     tel_int("http.response.status_code", 200), tel_str("server.address", "localhost"),
		     tel_int("server.port", 8080), tel_str("client.address", "127.0.0.1"),
		     tel_str("user_agent.original", "curl/7.88.1"), tel_lit("network.protocol.version", "1.1"));
}

static void observe(void)
{
	tel_series_record(tel_series(&durations, "/api/v1/users/{id}"), 0.0042, tel_span_current());
}

static void count(void)
{
	tel_counter_add(&operations, 1);
}

static void count_by_label(void)
{
	tel_counter_add(&sent, 1, "email");
}

/* A series that was found before. */
static struct tel_series *kept_counter, *kept_histogram;

static void add_to_series(void)
{
	tel_series_add(kept_counter, 1);
}

static void add_fraction(void)
{
	tel_series_add(kept_counter, 0.25);
}

static void record_in_series(void)
{
	tel_series_record(kept_histogram, 0.0042, NULL);
}

static void change_gauge(void)
{
	tel_gauge_add(&active, 1);
}

static void log_line(void)
{
	tel_info("request", tel_lit("method", "GET"), tel_str("route", "/api/v1/users/{id}"), tel_int("status", 200),
		 tel_double("duration_ms", 1.25));
}

struct work {
	void (*operation)(void);
	long rounds;
	double ns; /* of processor time of this thread, an operation */
	pthread_barrier_t *begin;
};

static double thread_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* Bursts with a pause for the reader, so that no span is dropped: that would be cheaper. */
static void *run(void *argument)
{
	struct work *work = argument;
	double spent = 0;

	pthread_barrier_wait(work->begin);
	for (long done = 0; done < work->rounds; done += BURST) {
		double begin = thread_ns();
		for (int i = 0; i < BURST; i++)
			work->operation();
		spent += thread_ns() - begin;
		while (queue_count(&queue) > QUEUE_SPANS - THREADS_MAX * BURST)
			sched_yield();
	}
	work->ns = spent / (double)work->rounds;
	return NULL;
}

/* Processor time of one operation, while `threads` threads do the same. */
static double run_on(unsigned threads, void (*operation)(void), long rounds)
{
	pthread_t ids[THREADS_MAX];
	struct work work[THREADS_MAX];
	pthread_barrier_t begin; /* so that they get in each other's way */
	double ns = 0;

	pthread_barrier_init(&begin, NULL, threads);
	for (unsigned i = 0; i < threads; i++) {
		work[i] = (struct work){.operation = operation, .rounds = rounds / threads / effort, .begin = &begin};
		pthread_create(&ids[i], NULL, run, &work[i]);
	}
	for (unsigned i = 0; i < threads; i++) {
		pthread_join(ids[i], NULL);
		ns += work[i].ns;
	}
	pthread_barrier_destroy(&begin);
	return ns / threads;
}

/* The best of a few runs is what the machine's other work disturbed least. */
static double best(unsigned threads, void (*operation)(void), long rounds)
{
	double least = 1e9;

	for (int i = 0; i < (effort > 1 ? 1 : 5); i++) {
		double ns = run_on(threads, operation, rounds);
		least = ns < least ? ns : least;
	}
	return least;
}

/* Of 1000 operations on a thread that has done one before. */
static double count_allocations(void (*operation)(void))
{
	operation();
	unsigned long before = atomic_load(&allocations);
	for (int i = 0; i < 1000; i++)
		operation();
	return (double)(atomic_load(&allocations) - before) / 1000;
}

static void report_on(const char *what, unsigned threads, void (*operation)(void), long rounds)
{
	double ns = best(threads, operation, rounds);

	printf("{\"what\": \"%s\", \"threads\": %u, \"ns\": %.1f, \"spans_lost\": %ld}\n", what, threads, ns,
	       atomic_exchange(&dropped, 0));
}

static void report(const char *what, void (*operation)(void), long rounds)
{
	report_on(what, 1, operation, rounds);
	report_on(what, THREADS_MAX, operation, rounds);
	printf("{\"what\": \"%s\", \"allocations\": %.3f}\n", what, count_allocations(operation));
}

/* ---- encoding ---- */

static struct span finished;
static struct buf encoded;

static void keep(const struct span *span)
{
	memcpy(&finished, span, span_size(span));
}

static void encode(void)
{
	buf_reset(&encoded);
	otlp_add_span(&encoded, &finished);
}

static void report_encoding(const char *what, void (*make)(void), const struct sampler *sampler)
{
	span_configure(true, sampler, keep);
	make();
	report_on(what, 1, encode, 1000000);
	printf("{\"what\": \"%s\", \"bytes\": %zu, \"queued_bytes\": %zu}\n", what, encoded.len, span_size(&finished));
}

int main(int argc, char **argv)
{
	const struct sampler all = {.parent_based = true}, nothing = {.threshold = SAMPLER_NONE};
	pthread_t drainer;

	if (argc == 2 && strcmp(argv[1], "--quick") == 0)
		effort = 100;
	if (tel_init(&(struct tel_config){.service_name = "bench", .no_exporter = true}))
		return 1;
	if (queue_init(&queue, QUEUE_SPANS, QUEUE_SPANS / 8))
		return 1;
	pthread_create(&drainer, NULL, drain, NULL);
	buf_init(&encoded, 1 << 20);

	span_configure(true, &all, push);
	report("span", standard_span, 400000);
	report("SERVER span", server_span, 400000);
	span_configure(true, &nothing, push);
	report("span, not sampled", standard_span, 2000000);
	report_encoding("encode", standard_span, &all);
	report_encoding("encode a SERVER span", server_span, &all);
	kept_counter = tel_series(&sent, "kept");
	kept_histogram = tel_series(&durations, "kept");
	report("count", count, 2000000);
	report("find a series and count", count_by_label, 2000000);
	report("count in a kept series", add_to_series, 2000000);
	report("add a fraction to a kept series", add_fraction, 2000000);
	report("observe in a kept series", record_in_series, 2000000);
	report("change a gauge", change_gauge, 2000000);
	report("find a series and observe", observe, 2000000);
	report("log line", log_line, 200000);

	queue_close(&queue);
	pthread_join(drainer, NULL);
	tel_shutdown(2000);
	queue_done(&queue);
	buf_done(&encoded);
	return 0;
}
