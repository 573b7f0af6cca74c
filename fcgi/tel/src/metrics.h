/* SPDX-License-Identifier: MIT */
/*
 * Inside of metrics, for those who read them. metrics.c registers, metrics_series.c finds, metrics_record.c counts.
 * Internal to tel/; the interface of a program is tel.h.
 */
#ifndef TEL_METRICS_H
#define TEL_METRICS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tel/src/exemplar.h"
#include "tel/tel.h"

/* Before threads: `enabled` false makes every observation a no-op and the exposition empty. */
void metrics_init(bool enabled);

/*
 * Why a metric was not registered: its declaration is wrong or differs from another one of the name, Prometheus would
 * have the same name for another one, or memory is short. Returns the one of that number, in the order of their
 * registration, 16 at most; false: there are no more.
 */
struct metric_failure {
	const char *metric, *reason; /* literals */
	const char *other;           /* the metric that is in its way; NULL: none */
};
bool metrics_failure(unsigned number, struct metric_failure *out);

bool metrics_enabled(void);

/* Registers the scrape hook of process_*; metrics_init does. */
void process_metrics_init(void);

/* Runs the hooks of tel_metrics_hook, for one caller at a time: before the metrics are read. */
void metrics_run_hooks(void);

/* Realtime: when metrics_init was called first, or the process forked. What a counter counts it has counted since then.
 */
uint64_t metrics_start_ns(void);

/* In a forked child, whose metrics begin at zero and now: nobody collects them. After series_after_fork. */
void metrics_in_child(void);

unsigned metric_bound_count(const struct tel_metric *metric);

enum metric_reader { METRIC_PROMETHEUS, METRIC_OTLP, METRIC_READERS };

/* Before threads: the reader is not shown the metric, because the other one has another name for it. */
void metric_hide(struct tel_metric *metric, enum metric_reader reader);

/* Before threads: the gauge is a sum of steps up and down, which OTLP tells apart. */
void metric_sums(struct tel_metric *gauge);

/* In the order of their Prometheus names: the first metric after `metric` (NULL: of all) that the reader is shown;
 * NULL: there is none. */
const struct tel_metric *metrics_next(const struct tel_metric *metric, enum metric_reader reader);

/* ---- series ------------------------------------------------------------------------------------------------------ */

#define METRIC_SERIES_MAX 256
#define METRIC_VALUE_BYTES 64 /* of a label value with its NUL */
#define METRIC_SLOTS 1024     /* a power of two, so that a search soon meets an empty slot */

/*
 * Threads that add to one series at once would take turns at its cache line, so a counter and a histogram have several
 * cells, each on lines of its own; a thread always adds to the same one. A reader adds the cells up. A cell is 64-bit
 * words: the bits of a double, which is a counter's steps or the sum of a histogram, and then a histogram's buckets,
 * one per bound and one for +Inf, not cumulative.
 */
#define METRIC_CELLS 8
#define METRIC_LINE 64 /* bytes of a cache line */

struct tel_series {
	const struct tel_metric *metric;
	_Atomic uint64_t value;     /* bits of a double: of a gauge; of a counter, what is to be added to its cells */
	_Atomic uint64_t *cells;    /* NULL: a gauge. What is set must have one place, so its threads take turns */
	size_t cell_words;          /* from one cell to the next */
	struct exemplar *exemplars; /* one per bucket */
	uint64_t hash;
	size_t key_bytes; /* 0: the overflow series, or no labels */
	char *key;        /* the label values, NUL after each */
} __attribute__((aligned(METRIC_LINE)));

/*
 * The series of one metric: an array filled from the front, and an open-addressing hash table into it. A metric without
 * labels has one series, and no table.
 */
struct series_set {
	const char *family, *unit; /* prometheus_name.h; "": no unit */
	bool hidden[METRIC_READERS];
	bool up_down; /* a gauge that is a sum, an UpDownCounter of OpenTelemetry */
	unsigned labels;
	size_t stride; /* bytes of a series and what it points to */
	char *series;
	atomic_uint count;
	_Atomic(struct tel_series *) overflow; /* once it is in use */
	_Atomic(struct tel_series *) slots[];
};

/* What is recorded here is not kept: it has no metric. */
extern struct tel_series series_nowhere;

/* Bytes of a series of the metric with all it points to, a multiple of METRIC_LINE. */
size_t series_bytes(const struct tel_metric *metric, unsigned labels);

/* Makes a series of zeroed memory, of series_bytes at a multiple of METRIC_LINE. */
struct tel_series *series_at(void *memory, const struct tel_metric *metric);

/*
 * A counter's or gauge's value, or a histogram's sum. Any thread; of a counter that only grows a later reading is never
 * less than an earlier one.
 */
/* Adds 1 to a counter: tel_series_add of the library's own, which needs no check. */
void series_count_one(struct tel_series *counter);

double series_value(const struct tel_series *series);

/* Observations in one bucket; the same holds. */
uint64_t series_bucket(const struct tel_series *series, unsigned index);

unsigned metric_series_count(const struct tel_metric *metric);

/* Series in the order of their making; NULL after the last. The overflow series, if any, is the last one. */
const struct tel_series *metric_series(const struct tel_metric *metric, unsigned index);

/* Around a fork: no thread is in the midst of making a series. */
void series_before_fork(void);
void series_after_fork(void);

/* In a forked child: all series of the metric stay, since the program may have kept them, and are zero. */
void series_in_child(const struct tel_metric *metric);

#endif
