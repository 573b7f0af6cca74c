/* SPDX-License-Identifier: MIT */
#include "tel/src/metrics.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

/* Sub-millisecond latencies are the rule on one machine: finer bounds come before those of the conventions. */
const double tel_http_bounds[] = {0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1,
				  0.25,    0.5,    0.75,  1,      2.5,   5,    7.5,   10,   0};
const double tel_db_bounds[] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 0};

#define CHUNK_BYTES (1 << 20)

static struct tel_metric *metrics; /* by name */
static const char *failed_metric;  /* the last one that could not be registered; NULL: none */
static int registration_error;
static bool metrics_on = true;

int metrics_init(bool is_enabled)
{
	static bool hooked;

	metrics_on = is_enabled;
	if (metrics_on && !hooked) {
		hooked = true;
		process_metrics_init();
	}
	return registration_error;
}

const char *metrics_failed(void)
{
	return failed_metric;
}

bool metrics_enabled(void)
{
	return metrics_on;
}

const struct tel_metric *metrics_first(void)
{
	return metrics;
}

/* ---- registration, before main --------------------------------------------------------------------------------- */

/*
 * Zeroed memory for ever; NULL: there is none. Address space only: a page counts when it is first touched, and huge
 * pages would defeat that.
 */
static void *reserve(size_t bytes)
{
	static char *chunk;
	static size_t left;

	bytes = (bytes + METRIC_LINE - 1) / METRIC_LINE * METRIC_LINE;
	if (bytes > left) {
		size_t size = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
		char *mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
				    0);
		if (mapped == MAP_FAILED)
			return NULL;
		madvise(mapped, size, MADV_NOHUGEPAGE);
		chunk = mapped;
		left = size;
	}
	void *p = chunk;
	chunk += bytes;
	left -= bytes;
	return p;
}

unsigned metric_bound_count(const struct tel_metric *metric)
{
	unsigned count = 0;

	while (metric->bounds && count <= TEL_BOUNDS_MAX && metric->bounds[count] != 0)
		count++;
	return count;
}

static unsigned label_count(const struct tel_metric *metric)
{
	unsigned count = 0;

	while (count < TEL_LABELS_MAX && metric->labels[count])
		count++;
	return count;
}

static bool same_meaning(const struct tel_metric *a, const struct tel_metric *b)
{
	for (unsigned i = 0; i < TEL_LABELS_MAX; i++) {
		if (!a->labels[i] != !b->labels[i] || (a->labels[i] && strcmp(a->labels[i], b->labels[i]) != 0))
			return false;
	}
	unsigned bounds = metric_bound_count(a);
	return a->type == b->type && strcmp(a->unit, b->unit) == 0 && bounds == metric_bound_count(b) &&
	       (!bounds || memcmp(a->bounds, b->bounds, bounds * sizeof(*a->bounds)) == 0);
}

/* Makes room for all the series that the metric may have. False: there is none. */
static bool make_set(struct tel_metric *metric)
{
	unsigned labels = label_count(metric);
	size_t bytes = series_bytes(metric, labels);
	size_t slots = labels ? METRIC_SLOTS * sizeof(_Atomic(struct tel_series *)) : 0;
	struct series_set *set = reserve(sizeof(*set) + slots);
	char *series = reserve((labels ? METRIC_SERIES_MAX + 1 : 1) * bytes); /* and the overflow series */

	if (!set || !series)
		return false;
	set->labels = labels;
	set->stride = bytes;
	set->series = series;
	if (!labels) {
		series_at(series, metric);
		atomic_store_explicit(&set->count, 1, memory_order_relaxed);
	}
	metric->state = set;
	return true;
}

static void fail_registration(const struct tel_metric *metric, int error)
{
	failed_metric = metric->name ? metric->name : "(no name)";
	registration_error = error;
}

static bool is_declared_well(const struct tel_metric *metric)
{
	return metric->name && metric->unit && metric->help &&
	       !metric->bounds == (metric->type != TEL_METRIC_HISTOGRAM) &&
	       metric_bound_count(metric) <= TEL_BOUNDS_MAX;
}

void tel_metric_register(struct tel_metric *metric)
{
	struct tel_metric **place = &metrics;

	if (!is_declared_well(metric)) {
		fail_registration(metric, -EINVAL);
		return;
	}
	while (*place && strcmp((*place)->name, metric->name) < 0)
		place = &(*place)->next;
	struct tel_metric *other = *place;
	if (other && strcmp(other->name, metric->name) == 0) {
		if (same_meaning(other, metric))
			metric->state = other->state;
		else
			fail_registration(metric, -EINVAL);
		return;
	}
	if (!make_set(metric)) {
		fail_registration(metric, -ENOMEM);
		return;
	}
	metric->next = other;
	*place = metric;
}
