/* SPDX-License-Identifier: MIT */
/* Observations: no lock, no memory, no line of the cache that all threads write. */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "tel/src/metrics.h"
#include "tel/src/misuse.h"
#include "tel/src/span.h"

/* ---- numbers as 64 bits ------------------------------------------------------------------------------------------ */

static double from_bits(uint64_t bits)
{
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static uint64_t to_bits(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static inline void add_double(_Atomic uint64_t *target, double value)
{
	uint64_t old = atomic_load_explicit(target, memory_order_relaxed);

	while (!atomic_compare_exchange_weak_explicit(target, &old, to_bits(from_bits(old) + value),
						      memory_order_relaxed, memory_order_relaxed))
		;
}

/* ---- cells ------------------------------------------------------------------------------------------------------- */

/* The cell that this thread adds to; threads that begin one after the other have different ones. */
static inline _Atomic uint64_t *own_cell(const struct tel_series *series)
{
	static atomic_uint threads;
	static _Thread_local unsigned number; /* from 1; 0 if it has none yet */

	if (!number)
		number = 1 + atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed) % METRIC_CELLS;
	return series->cells + (number - 1) * series->cell_words;
}

/*
 * Each cell only grows, a later reading of one is not less than an earlier one, and rounding keeps the order of sums:
 * so the whole never goes back.
 */
static double add_cells(const struct tel_series *series, double value)
{
	for (unsigned i = 0; series->cells && i < METRIC_CELLS; i++)
		value += from_bits(atomic_load_explicit(&series->cells[i * series->cell_words], memory_order_relaxed));
	return value;
}

double series_value(const struct tel_series *series)
{
	return add_cells(series, from_bits(atomic_load_explicit(&series->value, memory_order_relaxed)));
}

uint64_t series_bucket(const struct tel_series *series, unsigned index)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < METRIC_CELLS; i++)
		count += atomic_load_explicit(&series->cells[i * series->cell_words + 1 + index], memory_order_relaxed);
	return count;
}

/* ---- observations by series -------------------------------------------------------------------------------------- */

void series_count_one(struct tel_series *counter)
{
	if (metrics_enabled())
		add_double(own_cell(counter), 1);
}

static void say_other_kind(const struct tel_metric *metric, const char *call)
{
	MISUSE(call, "the metric is of another kind", tel_str("metric", metric->name));
}

static void say_bad_value(const struct tel_metric *metric, const char *call)
{
	MISUSE(call, "the value is negative, infinite or no number", tel_str("metric", metric->name));
}

/* A series that leads nowhere takes all: what is wrong with it was said. */
void tel_series_add(struct tel_series *series, double value)
{
	if (MISUSE_NULL(series, "tel_series_add") || !metrics_enabled() || !series->metric)
		return;
	switch (series->metric->type) {
	case TEL_METRIC_GAUGE: add_double(&series->value, value); return;
	case TEL_METRIC_COUNTER:
		if (value >= 0 && !isinf(value))
			add_double(own_cell(series), value);
		else
			say_bad_value(series->metric, "tel_series_add");
		return;
	case TEL_METRIC_HISTOGRAM: say_other_kind(series->metric, "tel_series_add");
	}
}

void tel_series_set(struct tel_series *series, double value)
{
	if (MISUSE_NULL(series, "tel_series_set") || !metrics_enabled() || !series->metric)
		return;
	/* the cells of a counter stay as they are: what another thread adds meanwhile comes on top */
	if (series->metric->type == TEL_METRIC_HISTOGRAM)
		say_other_kind(series->metric, "tel_series_set");
	else if (series->metric->type == TEL_METRIC_COUNTER && (!(value >= 0) || isinf(value)))
		say_bad_value(series->metric, "tel_series_set");
	else
		atomic_store_explicit(&series->value, to_bits(value - add_cells(series, 0)), memory_order_relaxed);
}

static void offer_exemplar(struct exemplar *exemplar, double value, const struct span *span)
{
	if (!span->recording || !(span->flags & TEL_SAMPLED))
		return;
	struct tel_context context = tel_span_context((const struct tel_span *)span);
	exemplar_offer(exemplar, value, &context, span->end_ns ? span->end_ns : clock_realtime_ns());
}

void tel_series_record(struct tel_series *series, double value, const struct tel_span *span)
{
	unsigned bucket = 0;

	if (MISUSE_NULL(series, "tel_series_record") || !metrics_enabled() || !series->metric)
		return;
	if (series->metric->type != TEL_METRIC_HISTOGRAM) {
		say_other_kind(series->metric, "tel_series_record");
		return;
	}
	if (!(value >= 0)) {
		say_bad_value(series->metric, "tel_series_record");
		return;
	}
	const double *bounds = series->metric->bounds;
	while (bounds[bucket] != 0 && value > bounds[bucket])
		bucket++;
	_Atomic uint64_t *cell = own_cell(series);
	add_double(cell, value);
	atomic_fetch_add_explicit(&cell[1 + bucket], 1, memory_order_relaxed);
	if (span)
		offer_exemplar(&series->exemplars[bucket], value, const_span_of(span));
}

/* ---- observations by metric: the series is found, and the kind of the metric must be the function's ------- */

static struct tel_series *series_of(struct tel_metric *metric, enum tel_metric_type type, const char *call,
				    const char *const *labels, size_t count)
{
	if (MISUSE_NULL(metric, call))
		return &series_nowhere;
	if (metric->type == type)
		return tel_series_find(metric, labels, count);
	say_other_kind(metric, call);
	return &series_nowhere;
}

void tel_counter_add_to(struct tel_metric *metric, double value, const char *const *labels, size_t count)
{
	tel_series_add(series_of(metric, TEL_METRIC_COUNTER, "tel_counter_add", labels, count), value);
}

void tel_counter_set_to(struct tel_metric *metric, double value, const char *const *labels, size_t count)
{
	tel_series_set(series_of(metric, TEL_METRIC_COUNTER, "tel_counter_set", labels, count), value);
}

void tel_gauge_add_to(struct tel_metric *metric, double value, const char *const *labels, size_t count)
{
	tel_series_add(series_of(metric, TEL_METRIC_GAUGE, "tel_gauge_add", labels, count), value);
}

void tel_gauge_set_to(struct tel_metric *metric, double value, const char *const *labels, size_t count)
{
	tel_series_set(series_of(metric, TEL_METRIC_GAUGE, "tel_gauge_set", labels, count), value);
}

void tel_histogram_record_to(struct tel_metric *metric, double value, const char *const *labels, size_t count)
{
	struct tel_series *series = series_of(metric, TEL_METRIC_HISTOGRAM, "tel_histogram_record", labels, count);

	tel_series_record(series, value, tel_span_current());
}
