/* SPDX-License-Identifier: MIT */
#include "tel/src/metrics.h"

#include <assert.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/utf8.h"

/* Sub-millisecond latencies are the rule on one machine: finer bounds come before those of the conventions. */
const double tel_http_bounds[] = {0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1,
				  0.25,    0.5,    0.75,  1,      2.5,   5,    7.5,   10,   0};
const double tel_db_bounds[] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 0};

#define CHUNK_BYTES (1 << 20)
#define VALUE_BYTES 64 /* of a label value with its NUL */
#define SLOTS 1024     /* a power of two, so that a search soon meets an empty slot */

/* The series of one metric with labels: an array filled from the front, and an open-addressing hash table into it. */
struct tel_series_set {
	_Atomic(struct tel_series *) slots[SLOTS];
	atomic_uint count;
	_Atomic(struct tel_series *) overflow; /* once it is in use */
	unsigned labels;
	size_t stride; /* bytes of a series and what it points to */
	char *series;
};

static struct tel_metric *metrics; /* by name */
static bool enabled = true;
static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;

void metrics_init(bool is_enabled)
{
	static bool hooked;

	enabled = is_enabled;
	if (enabled && !hooked) {
		hooked = true;
		process_metrics_init();
	}
}

bool metrics_enabled(void)
{
	return enabled;
}

const struct tel_metric *metrics_first(void)
{
	return metrics;
}

/* ---- registration, before main --------------------------------------------------------------------------------- */

/*
 * Zeroed memory for ever. Address space only: a page counts when it is first touched, and huge pages would defeat
 * that.
 */
static void *reserve(size_t bytes)
{
	static char *chunk;
	static size_t left;

	bytes = (bytes + 63) & ~(size_t)63;
	if (bytes > left) {
		left = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
		chunk = mmap(NULL, left, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (chunk == MAP_FAILED) {
			perror("metrics: no memory");
			abort();
		}
		madvise(chunk, left, MADV_NOHUGEPAGE);
	}
	void *p = chunk;
	chunk += bytes;
	left -= bytes;
	return p;
}

unsigned metric_bound_count(const struct tel_metric *metric)
{
	unsigned count = 0;

	while (metric->bounds && metric->bounds[count] != 0)
		count++;
	assert(count <= TEL_BOUNDS_MAX);
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
	return a->type == b->type && a->bounds == b->bounds;
}

void tel_metric_register(struct tel_metric *metric)
{
	struct tel_metric **place = &metrics;

	while (*place && strcmp((*place)->name, metric->name) < 0)
		place = &(*place)->next;
	struct tel_metric *other = *place;
	if (other && strcmp(other->name, metric->name) == 0) {
		if (!same_meaning(other, metric)) {
			fprintf(stderr, "metrics: %s is declared twice and differently\n", metric->name);
			abort();
		}
		metric->only = other->only;
		metric->set = other->set;
		return;
	}
	metric->next = other;
	*place = metric;

	unsigned labels = label_count(metric);
	size_t bytes = series_bytes(metric, labels);
	if (labels == 0) {
		metric->only = series_at(reserve(bytes), metric);
		return;
	}
	metric->set = reserve(sizeof(*metric->set));
	metric->set->labels = labels;
	metric->set->stride = bytes;
	metric->set->series = reserve((METRIC_SERIES_MAX + 1) * bytes); /* and the overflow series */
}

/* ---- series ----------------------------------------------------------------------------------------------------- */

static bool is_printable(char c)
{
	return (unsigned char)(c - 0x20) < 0x5f;
}

/* Appends a label value: 63 bytes at most, cut at a character; what is not text becomes '?'. Returns bytes and NUL. */
static size_t add_value(char *key, const char *value)
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
static struct tel_series *find_series(struct tel_series_set *set, const char *key, size_t bytes, uint64_t hash,
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
	struct tel_series_set *set = metric->set;
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
	struct tel_series_set *set = metric->set;
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

struct tel_series *tel_series(struct tel_metric *metric, ...)
{
	struct tel_series_set *set = metric->set;
	char key[TEL_LABELS_MAX * VALUE_BYTES];
	size_t bytes = 0;
	va_list values;

	if (!set)
		return metric->only;
	va_start(values, metric);
	for (unsigned i = 0; i < set->labels; i++) {
		const char *value = va_arg(values, const char *);
		bytes += add_value(key + bytes, value ? value : "");
	}
	va_end(values);

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
	struct tel_series_set *set = metric->set;

	if (!set)
		return index == 0 ? metric->only : NULL;
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

void tel_series_add(struct tel_series *series, double value)
{
	if (!enabled || (series->metric->type == TEL_METRIC_COUNTER && !(value >= 0)))
		return;
	add_double(&series->value, value);
}

void tel_series_set(struct tel_series *series, double value)
{
	if (enabled)
		atomic_store_explicit(&series->value, to_bits(value), memory_order_relaxed);
}

void tel_add(struct tel_metric *metric, double value)
{
	tel_series_add(metric->only, value);
}

void tel_gauge_set(struct tel_metric *metric, double value)
{
	tel_series_set(metric->only, value);
}

void tel_series_observe(struct tel_series *series, double value, const struct tel_span *span)
{
	const double *bounds = series->metric->bounds;
	unsigned bucket = 0;

	if (!enabled || !(value >= 0))
		return;
	while (bounds[bucket] != 0 && value > bounds[bucket])
		bucket++;
	atomic_fetch_add_explicit(&series->buckets[bucket], 1, memory_order_relaxed);
	add_double(&series->value, value);
	if (span)
		exemplar_offer(&series->exemplars[bucket], value, span);
}
