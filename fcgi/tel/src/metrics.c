/* SPDX-License-Identifier: MIT */
#include "tel/src/metrics.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/utf8.h"
#include "tel/src/misuse.h"
#include "tel/src/span.h"

/* Sub-millisecond latencies are the rule on one machine: finer bounds come before those of the conventions. */
const double tel_http_bounds[] = {0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1,
				  0.25,    0.5,    0.75,  1,      2.5,   5,    7.5,   10,   0};
const double tel_db_bounds[] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 0};

#define CHUNK_BYTES (1 << 20)
#define VALUE_BYTES 64 /* of a label value with its NUL */
#define SLOTS 1024     /* a power of two, so that a search soon meets an empty slot */

/*
 * The series of one metric: an array filled from the front, and an open-addressing hash table into it. A metric without
 * labels has one series, and no table.
 */
struct series_set {
	unsigned labels;
	size_t stride; /* bytes of a series and what it points to */
	char *series;
	atomic_uint count;
	_Atomic(struct tel_series *) overflow; /* once it is in use */
	_Atomic(struct tel_series *) slots[];
};

static struct tel_metric *metrics; /* by name */
static struct tel_series nowhere;  /* what is recorded here is not kept */
static const char *failed_metric;  /* the last one that could not be registered; NULL: none */
static int registration_error;
static bool metrics_on = true;
static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;

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

	bytes = (bytes + 63) & ~(size_t)63;
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

/* A series is one piece of memory: the struct, exemplars, buckets, label values. */
static size_t series_bytes(const struct tel_metric *metric, unsigned labels)
{
	size_t bytes = sizeof(struct tel_series) + (size_t)labels * VALUE_BYTES;

	if (metric->bounds)
		bytes += (metric_bound_count(metric) + 1) * (sizeof(struct exemplar) + sizeof(_Atomic uint64_t));
	return (bytes + 63) & ~(size_t)63;
}

static struct tel_series *series_at(void *memory, const struct tel_metric *metric)
{
	struct tel_series *series = memory;
	char *rest = (char *)(series + 1);

	series->metric = metric;
	if (metric->bounds) {
		unsigned buckets = metric_bound_count(metric) + 1;
		series->exemplars = (struct exemplar *)rest;
		rest += buckets * sizeof(*series->exemplars);
		series->buckets = (_Atomic uint64_t *)rest;
		rest += buckets * sizeof(*series->buckets);
	}
	series->key = rest;
	return series;
}

static bool same_meaning(const struct tel_metric *a, const struct tel_metric *b)
{
	for (unsigned i = 0; i < TEL_LABELS_MAX; i++) {
		if (!a->labels[i] != !b->labels[i] || (a->labels[i] && strcmp(a->labels[i], b->labels[i]) != 0))
			return false;
	}
	return a->type == b->type && a->bounds == b->bounds && strcmp(a->unit, b->unit) == 0;
}

/* Makes room for all the series that the metric may have. False: there is none. */
static bool make_set(struct tel_metric *metric)
{
	unsigned labels = label_count(metric);
	size_t bytes = series_bytes(metric, labels);
	size_t slots = labels ? SLOTS * sizeof(_Atomic(struct tel_series *)) : 0;
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

	if (MISUSE_NULL(metric, "tel_metric_register"))
		return;
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

/* ---- series ----------------------------------------------------------------------------------------------------- */

static bool is_printable(char c)
{
	return (unsigned char)(c - 0x20) < 0x5f;
}

/* Appends a label value: 63 bytes at most, cut at a character; what is not text becomes '?'. Returns bytes and NUL. */
static size_t add_label_value(char *key, const char *value)
{
	size_t left = strnlen(value, VALUE_BYTES + 3); /* enough to see a whole character at the cut */
	size_t length = 0;

	while (left) {
		size_t n = is_printable(*value) ? 1 : utf8_sequence(value, left);
		size_t read = n ? n : utf8_ill_formed(value, left);
		bool is_text = n > 1 || is_printable(*value);
		size_t written = is_text ? n : 1;
		if (length + written >= VALUE_BYTES)
			break;
		memcpy(key + length, is_text ? value : "?", written);
		length += written;
		value += read;
		left -= read;
	}
	key[length] = '\0';
	return length + 1;
}

/* FNV-1a */
static uint64_t hash_key(const char *key, size_t bytes)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < bytes; i++)
		hash = (hash ^ (unsigned char)key[i]) * UINT64_C(0x100000001b3);
	return hash;
}

/* The series, or NULL and the empty slot where it belongs. */
static struct tel_series *find_series(struct series_set *set, const char *key, size_t bytes, uint64_t hash,
				      _Atomic(struct tel_series *) **slot)
{
	for (size_t i = hash ^ hash >> 32;; i++) {
		*slot = &set->slots[i % SLOTS];
		struct tel_series *series = atomic_load_explicit(*slot, memory_order_acquire);
		if (!series)
			return NULL;
		if (series->hash == hash && series->key_bytes == bytes && memcmp(series->key, key, bytes) == 0)
			return series;
	}
}

/* Past the limit. Under the lock only the first time. */
static struct tel_series *overflow_series(struct tel_metric *metric)
{
	struct series_set *set = metric->state;
	struct tel_series *series = atomic_load_explicit(&set->overflow, memory_order_acquire);

	if (series)
		return series;
	pthread_mutex_lock(&making);
	series = atomic_load_explicit(&set->overflow, memory_order_relaxed);
	if (!series) {
		series = series_at(set->series + METRIC_SERIES_MAX * set->stride, metric);
		atomic_store_explicit(&set->overflow, series, memory_order_release);
	}
	pthread_mutex_unlock(&making);
	return series;
}

static struct tel_series *make_series(struct tel_metric *metric, const char *key, size_t bytes, uint64_t hash)
{
	struct series_set *set = metric->state;
	_Atomic(struct tel_series *) *slot;

	pthread_mutex_lock(&making);
	unsigned count = atomic_load_explicit(&set->count, memory_order_relaxed);
	struct tel_series *series = find_series(set, key, bytes, hash, &slot);
	if (!series && count < METRIC_SERIES_MAX) {
		series = series_at(set->series + count * set->stride, metric);
		series->hash = hash;
		series->key_bytes = bytes;
		memcpy(series->key, key, bytes);
		atomic_store_explicit(slot, series, memory_order_release);
		atomic_store_explicit(&set->count, count + 1, memory_order_release);
	}
	pthread_mutex_unlock(&making);
	return series ? series : overflow_series(metric);
}

struct tel_series *tel_series_find(struct tel_metric *metric, const char *const *labels, size_t count)
{
	struct series_set *set = metric ? metric->state : NULL;
	char key[TEL_LABELS_MAX * VALUE_BYTES];
	size_t bytes = 0;

	if (MISUSE_NULL(metric && (labels || !count), "tel_series"))
		return &nowhere;
	if (!set) {
		MISUSE("tel_series", "the metric is not registered", tel_str("metric", metric->name));
		return &nowhere;
	}
	if (count != set->labels) {
		MISUSE("tel_series", "there are more or fewer labels than the metric has",
		       tel_str("metric", metric->name));
		return &nowhere;
	}
	if (!count)
		return (struct tel_series *)set->series;
	for (size_t i = 0; i < count; i++)
		bytes += add_label_value(key + bytes, labels[i] ? labels[i] : "");

	_Atomic(struct tel_series *) *slot;
	uint64_t hash = hash_key(key, bytes);
	struct tel_series *series = find_series(set, key, bytes, hash, &slot);
	if (series)
		return series;
	if (atomic_load_explicit(&set->count, memory_order_acquire) == METRIC_SERIES_MAX)
		return overflow_series(metric);
	return make_series(metric, key, bytes, hash);
}

const struct tel_series *metric_series(const struct tel_metric *metric, unsigned index)
{
	struct series_set *set = metric->state;
	unsigned count = atomic_load_explicit(&set->count, memory_order_acquire);

	if (index < count)
		return (const struct tel_series *)(set->series + index * set->stride);
	return index == count ? atomic_load_explicit(&set->overflow, memory_order_acquire) : NULL;
}

/* ---- observations ----------------------------------------------------------------------------------------------- */

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

static void add_double(_Atomic uint64_t *target, double value)
{
	uint64_t old = atomic_load_explicit(target, memory_order_relaxed);

	while (!atomic_compare_exchange_weak_explicit(target, &old, to_bits(from_bits(old) + value),
						      memory_order_relaxed, memory_order_relaxed))
		;
}

double series_value(const struct tel_series *series)
{
	return from_bits(atomic_load_explicit(&series->value, memory_order_relaxed));
}

static bool is_of(const struct tel_series *series, enum tel_metric_type type)
{
	return series->metric->type == type;
}

static void say_other_kind(const struct tel_metric *metric, const char *call)
{
	MISUSE(call, "the metric is of another kind", tel_str("metric", metric->name));
}

static void say_negative(const struct tel_metric *metric, const char *call)
{
	MISUSE(call, "the value is negative, or no number", tel_str("metric", metric->name));
}

/* A series that leads nowhere takes all: what is wrong with it was said. */
void tel_series_add(struct tel_series *series, double value)
{
	if (MISUSE_NULL(series, "tel_series_add") || !metrics_on || !series->metric)
		return;
	if (is_of(series, TEL_METRIC_HISTOGRAM))
		say_other_kind(series->metric, "tel_series_add");
	else if (is_of(series, TEL_METRIC_COUNTER) && !(value >= 0))
		say_negative(series->metric, "tel_series_add");
	else
		add_double(&series->value, value);
}

void tel_series_set(struct tel_series *series, double value)
{
	if (MISUSE_NULL(series, "tel_series_set") || !metrics_on || !series->metric)
		return;
	if (is_of(series, TEL_METRIC_HISTOGRAM))
		say_other_kind(series->metric, "tel_series_set");
	else if (is_of(series, TEL_METRIC_COUNTER) && !(value >= 0))
		say_negative(series->metric, "tel_series_set");
	else
		atomic_store_explicit(&series->value, to_bits(value), memory_order_relaxed);
}

void tel_series_record(struct tel_series *series, double value, const struct tel_span *span)
{
	unsigned bucket = 0;

	if (MISUSE_NULL(series, "tel_series_record") || !metrics_on || !series->metric)
		return;
	if (!is_of(series, TEL_METRIC_HISTOGRAM)) {
		say_other_kind(series->metric, "tel_series_record");
		return;
	}
	if (!(value >= 0)) {
		say_negative(series->metric, "tel_series_record");
		return;
	}
	const double *bounds = series->metric->bounds;
	while (bounds[bucket] != 0 && value > bounds[bucket])
		bucket++;
	atomic_fetch_add_explicit(&series->buckets[bucket], 1, memory_order_relaxed);
	add_double(&series->value, value);
	if (span)
		exemplar_offer(&series->exemplars[bucket], value, const_span_of(span));
}

/* ---- observations by metric: the series is found, and the kind of the metric must be the function's ---------------
 */

static struct tel_series *series_of(struct tel_metric *metric, enum tel_metric_type type, const char *call,
				    const char *const *labels, size_t count)
{
	if (MISUSE_NULL(metric, call))
		return &nowhere;
	if (metric->type == type)
		return tel_series_find(metric, labels, count);
	say_other_kind(metric, call);
	return &nowhere;
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
