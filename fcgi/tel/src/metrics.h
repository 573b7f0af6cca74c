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

/* If `enabled` is false, observations do nothing and the exposition is empty. Call it before threads start. */
void metrics_init(bool enabled);

/*
 * Tells why a metric was not registered: its declaration is wrong or differs from another one of the same name, its
 * name for Prometheus is taken, or memory is short. Failures are numbered in the order of registration, up to 16.
 * Returns false if there is none with this number.
 */
struct metric_failure {
	const char *metric, *reason; /* literals */
	const char *other;           /* the metric that is in its way, or NULL */
};
bool metrics_failure(unsigned number, struct metric_failure *out);

bool metrics_enabled(void);

/* Registers the scrape hook of process_*; metrics_init does. */
void process_metrics_init(void);

/* Runs the hooks of tel_metrics_hook, for one caller at a time: before the metrics are read. */
void metrics_run_hooks(void);

/* Returns since when counters count, in realtime: the first metrics_init, or the fork of the process. */
uint64_t metrics_start_ns(void);

/* For a forked child, whose metrics begin at zero and now; nobody is collecting them. Call it after series_after_fork.
 */
void metrics_in_child(void);

unsigned metric_bound_count(const struct tel_metric *metric);

enum metric_reader { METRIC_PROMETHEUS, METRIC_OTLP, METRIC_READERS };

/* Hides the metric from a reader, because the other reader knows it by another name. Call it before threads start. */
void metric_hide(struct tel_metric *metric, enum metric_reader reader);

/* Marks a gauge as a sum of steps up and down, which OTLP tells apart. Call it before threads start. */
void metric_sums(struct tel_metric *gauge);

/* Returns the next metric that the reader is shown, in the order of their Prometheus names: the first one if `metric`
 * is NULL. Returns NULL after the last. */
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
	_Atomic uint64_t *cells;    /* NULL for a gauge, whose value must have one place, so its threads take turns */
	size_t cell_words;          /* from one cell to the next */
	struct exemplar *exemplars; /* one per bucket */
	uint64_t hash;
	size_t key_bytes; /* 0 for the overflow series, or without labels */
	char *key;        /* the label values, NUL after each */
} __attribute__((aligned(METRIC_LINE)));

/*
 * The series of one metric: an array filled from the front, and an open-addressing hash table into it. A metric without
 * labels has one series, and no table.
 */
struct series_set {
	const char *family, *unit; /* see prometheus_name.h; the unit may be "" */
	bool hidden[METRIC_READERS];
	bool up_down; /* a gauge that is a sum, an UpDownCounter of OpenTelemetry */
	unsigned labels;
	size_t stride; /* bytes of a series and what it points to */
	char *series;
	atomic_uint count;
	_Atomic(struct tel_series *) overflow; /* once it is in use */
	_Atomic(struct tel_series *) slots[];
};

/* A series without a metric. Values recorded here are not kept. */
extern struct tel_series series_nowhere;

/* Bytes of a series of the metric with all it points to, a multiple of METRIC_LINE. */
size_t series_bytes(const struct tel_metric *metric, unsigned labels);

/* Makes a series of zeroed memory, of series_bytes at a multiple of METRIC_LINE. */
struct tel_series *series_at(void *memory, const struct tel_metric *metric);

/* Adds 1 to a counter of the library's own, which needs no check. */
void series_count_one(struct tel_series *counter);

/*
 * Returns a counter's or gauge's value, or a histogram's sum. Any thread may call. A later reading of a counter that
 * only grows is never less than an earlier one.
 */
double series_value(const struct tel_series *series);

/* Returns the observations in one bucket; the same holds. */
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
