/* SPDX-License-Identifier: MIT */
/* Finds the series of label values, and makes it when there is none yet. */
#include <pthread.h>
#include <string.h>

#include "base/hash.h"
#include "base/utf8.h"
#include "tel/src/metrics.h"
#include "tel/src/misuse.h"

struct tel_series series_nowhere = {0};

static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;

/* ---- the memory of a series -------------------------------------------------------------------------------------- */

/* Returns the words of a counter's or a histogram's cell, or 0 for a gauge, which has none. */
static size_t cell_words(const struct tel_metric *metric)
{
	const size_t line_words = METRIC_LINE / sizeof(uint64_t);

	if (metric->type == TEL_METRIC_GAUGE)
		return 0;
	size_t words = 1 + (metric->bounds ? metric_bound_count(metric) + 1 : 0);
	return (words + line_words - 1) / line_words * line_words;
}

/* A series is one piece of memory: the struct, cells, exemplars, label values. */
size_t series_bytes(const struct tel_metric *metric, unsigned labels)
{
	size_t bytes = sizeof(struct tel_series) + METRIC_CELLS * cell_words(metric) * sizeof(uint64_t) +
		       (size_t)labels * METRIC_VALUE_BYTES;

	if (metric->bounds)
		bytes += (metric_bound_count(metric) + 1) * sizeof(struct exemplar);
	return (bytes + METRIC_LINE - 1) / METRIC_LINE * METRIC_LINE;
}

struct tel_series *series_at(void *memory, const struct tel_metric *metric)
{
	struct tel_series *series = memory;
	char *rest = (char *)(series + 1);

	series->metric = metric;
	series->cell_words = cell_words(metric);
	if (series->cell_words) {
		series->cells = (_Atomic uint64_t *)rest;
		rest += METRIC_CELLS * series->cell_words * sizeof(uint64_t);
	}
	if (metric->bounds) {
		series->exemplars = (struct exemplar *)rest;
		rest += (metric_bound_count(metric) + 1) * sizeof(*series->exemplars);
	}
	series->key = rest;
	return series;
}

/* ---- label values ------------------------------------------------------------------------------------------------ */

struct key {
	const char *const *values;
	size_t bytes[TEL_LABELS_MAX]; /* without the NUL; 64: more than a series keeps */
	unsigned count;
	uint64_t hash;
};

static uint64_t load_8(const char *text)
{
	uint64_t word;

	memcpy(&word, text, sizeof(word));
	return word;
}

static uint64_t load_4(const char *text)
{
	uint32_t word;

	memcpy(&word, text, sizeof(word));
	return word;
}

/* Mixes a word in. */
static uint64_t hash_word(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * HASH_STEP;
	return hash ^ hash >> 32;
}

/* By words, because this is most of what an observation costs. The last word overlaps the one before. */
static uint64_t hash_text(uint64_t hash, const char *text, size_t bytes)
{
	hash = hash_word(hash, bytes);
	if (bytes >= 8) {
		for (size_t i = 0; i + 8 < bytes; i += 8)
			hash = hash_word(hash, load_8(text + i));
		return hash_word(hash, load_8(text + bytes - 8));
	}
	if (bytes >= 4)
		return hash_word(hash, load_4(text) << 32 | load_4(text + bytes - 4));
	for (size_t i = 0; i < bytes; i++)
		hash = hash_word(hash, (unsigned char)text[i]);
	return hash;
}

static void make_key(struct key *key, const char *const *values, size_t count)
{
	key->values = values;
	key->count = (unsigned)count;
	key->hash = 0;
	for (size_t i = 0; i < count; i++) {
		key->bytes[i] = strnlen(values[i], METRIC_VALUE_BYTES);
		key->hash = hash_text(key->hash, values[i], key->bytes[i]);
	}
}

static bool is_printable(char c)
{
	return (unsigned char)(c - 0x20) < 0x5f;
}

/* A label value as it is kept: 63 bytes at most, cut at a character; what is not text becomes '?'. */
static void clean_value(char out[METRIC_VALUE_BYTES], const char *value)
{
	size_t left = strnlen(value, METRIC_VALUE_BYTES + 3); /* enough to see a whole character at the cut */
	size_t length = 0;

	while (left) {
		size_t n = is_printable(*value) ? 1 : utf8_sequence(value, left);
		size_t read = n ? n : utf8_ill_formed(value, left);
		bool is_text = n > 1 || is_printable(*value);
		size_t written = is_text ? n : 1;
		if (length + written >= METRIC_VALUE_BYTES)
			break;
		memcpy(out + length, is_text ? value : "?", written);
		length += written;
		value += read;
		left -= read;
	}
	out[length] = '\0';
}

/* ---- finding and making ------------------------------------------------------------------------------------------ */

static bool has_key(const struct tel_series *series, const struct key *key)
{
	const char *kept = series->key;

	if (series->hash != key->hash)
		return false;
	for (unsigned i = 0; i < key->count; i++) {
		/* with the NULs, so that equal bytes are equal texts; what is kept has room for 64 bytes a value */
		if (key->bytes[i] >= METRIC_VALUE_BYTES || memcmp(kept, key->values[i], key->bytes[i] + 1) != 0)
			return false;
		kept += key->bytes[i] + 1;
	}
	return true;
}

/* The series, or NULL and the empty slot where it belongs. */
static struct tel_series *find_series(struct series_set *set, const struct key *key,
				      _Atomic(struct tel_series *) **slot)
{
	for (size_t i = key->hash;; i++) {
		*slot = &set->slots[i % METRIC_SLOTS];
		struct tel_series *series = atomic_load_explicit(*slot, memory_order_acquire);
		if (!series || has_key(series, key))
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

static void keep_labels(struct tel_series *series, const struct key *key)
{
	series->hash = key->hash;
	for (unsigned i = 0; i < key->count; i++) {
		memcpy(series->key + series->key_bytes, key->values[i], key->bytes[i] + 1);
		series->key_bytes += key->bytes[i] + 1;
	}
}

static struct tel_series *make_series(struct tel_metric *metric, const struct key *key)
{
	struct series_set *set = metric->state;
	_Atomic(struct tel_series *) *slot;

	pthread_mutex_lock(&making);
	unsigned count = atomic_load_explicit(&set->count, memory_order_relaxed);
	struct tel_series *series = find_series(set, key, &slot);
	if (!series && count < METRIC_SERIES_MAX) {
		series = series_at(set->series + count * set->stride, metric);
		keep_labels(series, key);
		atomic_store_explicit(slot, series, memory_order_release);
		atomic_store_explicit(&set->count, count + 1, memory_order_release);
	}
	pthread_mutex_unlock(&making);
	return series ? series : overflow_series(metric);
}

/* For values that no series has as they are: they are new, or not kept as they are. */
static struct tel_series *find_cleaned(struct tel_metric *metric, const char *const *labels, size_t count)
{
	struct series_set *set = metric->state;
	char cleaned[TEL_LABELS_MAX][METRIC_VALUE_BYTES] = {{0}};
	const char *values[TEL_LABELS_MAX];
	_Atomic(struct tel_series *) *slot;
	struct key key;

	for (size_t i = 0; i < count; i++) {
		clean_value(cleaned[i], labels[i] ? labels[i] : "");
		values[i] = cleaned[i];
	}
	make_key(&key, values, count);
	struct tel_series *series = find_series(set, &key, &slot);
	if (series)
		return series;
	if (atomic_load_explicit(&set->count, memory_order_acquire) == METRIC_SERIES_MAX)
		return overflow_series(metric);
	return make_series(metric, &key);
}

static bool has_null(const char *const *labels, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!labels[i])
			return true;
	return false;
}

struct tel_series *tel_series_find(struct tel_metric *metric, const char *const *labels, size_t count)
{
	struct series_set *set = metric ? metric->state : NULL;
	_Atomic(struct tel_series *) *slot;
	struct key key;

	if (MISUSE_NULL(metric && (labels || !count), "tel_series"))
		return &series_nowhere;
	if (!set) {
		MISUSE("tel_series", "the metric is not registered", tel_str("metric", metric->name));
		return &series_nowhere;
	}
	if (count != set->labels) {
		MISUSE("tel_series", "there are more or fewer labels than the metric has",
		       tel_str("metric", metric->name));
		return &series_nowhere;
	}
	if (!count)
		return (struct tel_series *)set->series;
	if (has_null(labels, count))
		return find_cleaned(metric, labels, count);
	make_key(&key, labels, count);
	struct tel_series *series = find_series(set, &key, &slot);
	return series ? series : find_cleaned(metric, labels, count);
}

unsigned metric_series_count(const struct tel_metric *metric)
{
	struct series_set *set = metric->state;

	/* in this order: when there is the overflow series, there are all others */
	unsigned overflow = atomic_load_explicit(&set->overflow, memory_order_acquire) ? 1 : 0;
	return atomic_load_explicit(&set->count, memory_order_acquire) + overflow;
}

const struct tel_series *metric_series(const struct tel_metric *metric, unsigned index)
{
	struct series_set *set = metric->state;
	unsigned count = atomic_load_explicit(&set->count, memory_order_acquire);

	if (index < count)
		return (const struct tel_series *)(set->series + index * set->stride);
	return index == count ? atomic_load_explicit(&set->overflow, memory_order_acquire) : NULL;
}

/* ---- fork -------------------------------------------------------------------------------------------------------- */

void series_before_fork(void)
{
	pthread_mutex_lock(&making);
}

void series_after_fork(void)
{
	pthread_mutex_unlock(&making);
}

/* An exemplar that a thread was writing is whole again, as there is none. */
static void clear_series(struct tel_series *series)
{
	atomic_store_explicit(&series->value, 0, memory_order_relaxed);
	for (size_t i = 0; i < METRIC_CELLS * series->cell_words; i++)
		atomic_store_explicit(&series->cells[i], 0, memory_order_relaxed);
	if (series->exemplars)
		memset(series->exemplars, 0, (metric_bound_count(series->metric) + 1) * sizeof(*series->exemplars));
}

void series_in_child(const struct tel_metric *metric)
{
	const struct tel_series *series;

	for (unsigned i = 0; (series = metric_series(metric, i)); i++)
		clear_series((struct tel_series *)series);
}
