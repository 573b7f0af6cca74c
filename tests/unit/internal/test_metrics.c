/* SPDX-License-Identifier: MIT */
#include "cmocka_all.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "count_allocations.h"
#include "span_attrs.h"
#include "tel/src/metrics.h"
#include "tel/src/span.h"
#include "threads.h"

static const double few_bounds[] = {0.001, 0.01, 1, 0};

TEL_COUNTER(plain, "test.plain", "{thing}", "A counter.");
TEL_COUNTER(plain_again, "test.plain", "{thing}", "Declared by another file.");
TEL_GAUGE(level, "test.level", "", "A gauge.");
TEL_COUNTER(by_kind, "test.kinds", "{thing}", "A counter with a label.", "kind");
TEL_COUNTER(by_kind_again, "test.kinds", "{thing}", "Declared by another file.", "kind");
TEL_COUNTER(by_two, "test.two", "{thing}", "Two labels.", "a", "b");
TEL_COUNTER(by_four, "test.four", "{thing}", "As many labels as there may be.", "a", "b", "c", "d");
TEL_COUNTER(many, "test.many", "{thing}", "More series than there may be.", "number");
TEL_COUNTER(raced, "test.raced", "{thing}", "Made by two threads at once.", "number", "other");
TEL_COUNTER(overtaken, "test.overtaken", "{thing}", "Made by another thread just before.", "number");
TEL_COUNTER(text, "test.text", "{thing}", "Label values of all kinds.", "text");
TEL_COUNTER(grown, "test.grown", "{thing}", "Read while it grows.");
TEL_COUNTER(spread, "test.spread", "{thing}", "Counted by threads at once.", "kind");
TEL_HISTOGRAM(seconds, "test", "s", "A histogram.", few_bounds, "kind");
TEL_HISTOGRAM(unlabelled, "test.unlabelled", "s", "A histogram without labels.", few_bounds);
TEL_HISTOGRAM(shared, "test.shared", "s", "Observed by many threads.", few_bounds, "kind");

static uint64_t bucket(const struct tel_series *series, unsigned index)
{
	return series_bucket(series, index);
}

static unsigned count_series(const struct tel_metric *metric)
{
	unsigned count = 0;

	while (metric_series(metric, count))
		count++;
	return count;
}

/* ---- values ---- */

static void counters_and_gauges(void **state)
{
	(void)state;
	tel_counter_add(&plain, 1);
	tel_counter_add(&plain, 2.5);
	tel_counter_add(&plain, -1);
	tel_counter_add(&plain, NAN);
	assert_true(series_value(tel_series(&plain)) == 3.5);
	tel_gauge_set(&level, 7);
	tel_gauge_add(&level, -9);
	assert_true(series_value(tel_series(&level)) == -2);
	tel_counter_set(&plain, 100);
	assert_true(series_value(tel_series(&plain)) == 100);
	tel_counter_add(&plain, 2);
	tel_counter_add(&plain, INFINITY);
	assert_true(series_value(tel_series(&plain)) == 102);
}

static void one_name_is_one_family(void **state)
{
	(void)state;
	assert_ptr_equal(tel_series(&plain), tel_series(&plain_again));
	assert_ptr_equal(tel_series(&by_kind, "x"), tel_series(&by_kind_again, "x"));
	unsigned found = 0;
	const char *before = "";
	for (const struct tel_metric *metric = metrics_next(NULL, METRIC_OTLP); metric;
	     metric = metrics_next(metric, METRIC_OTLP)) {
		const struct series_set *set = metric->state;
		found += strcmp(set->family, "test_plain") == 0;
		assert_true(strcmp(before, set->family) < 0);
		before = set->family;
	}
	assert_int_equal(found, 1);
}

static void wrong_declarations_are_refused_and_told(void **state)
{
	static const double same_bounds[] = {0.001, 0.01, 1, 0}, other_bounds[] = {0.001, 0.01, 2, 0},
			    falling[] = {1, 2, 1.5, 0}, infinite[] = {1, INFINITY, 0};
	static struct tel_metric wrong[] = {
		{"test.plain", "{other}", "", TEL_METRIC_COUNTER, NULL, {NULL}, NULL, NULL},
		{"test.plain", "{thing}", "", TEL_METRIC_GAUGE, NULL, {NULL}, NULL, NULL},
		{"test.plain", "{thing}", "", TEL_METRIC_COUNTER, NULL, {"kind"}, NULL, NULL},
		{"test.unlabelled", "s", "", TEL_METRIC_HISTOGRAM, other_bounds, {NULL}, NULL, NULL},
		{"", "", "", TEL_METRIC_GAUGE, NULL, {NULL}, NULL, NULL},
		{"test.nothing", "", NULL, TEL_METRIC_GAUGE, NULL, {NULL}, NULL, NULL},
		{"test.boundless", "s", "", TEL_METRIC_HISTOGRAM, NULL, {NULL}, NULL, NULL},
		{"test.falling", "s", "", TEL_METRIC_HISTOGRAM, falling, {NULL}, NULL, NULL},
		{"test.infinite", "s", "", TEL_METRIC_HISTOGRAM, infinite, {NULL}, NULL, NULL},
		{"test.le", "s", "", TEL_METRIC_HISTOGRAM, few_bounds, {"le"}, NULL, NULL},
		{"test.nameless", "", "", TEL_METRIC_GAUGE, NULL, {""}, NULL, NULL},
		{"test.labels", "", "", TEL_METRIC_GAUGE, NULL, {"a", "b", "c", "d", "e"}, NULL, NULL},
		{"test_plain", "{thing}", "", TEL_METRIC_COUNTER, NULL, {NULL}, NULL, NULL},
		{"test.plain.total", "", "", TEL_METRIC_GAUGE, NULL, {NULL}, NULL, NULL},
		{"test.unlabelled.seconds.count", "", "", TEL_METRIC_GAUGE, NULL, {NULL}, NULL, NULL},
		{"target", "", "", TEL_METRIC_GAUGE, NULL, {NULL}, NULL, NULL},
	};
	static struct tel_metric right = {"test.unlabelled", "s",    "",   TEL_METRIC_HISTOGRAM,
					  same_bounds,       {NULL}, NULL, NULL};
	const unsigned count = sizeof(wrong) / sizeof(*wrong);
	struct metric_failure failure;

	(void)state;
	assert_false(metrics_failure(0, &failure));
	for (unsigned i = 0; i < count; i++) {
		tel_metric_register(&wrong[i]);
		assert_true(metrics_failure(i, &failure));
		assert_string_equal(failure.metric, wrong[i].name);
		assert_ptr_equal(tel_series_find(&wrong[i], NULL, 0), &series_nowhere);
		tel_counter_add(&wrong[i], 1);
	}
	assert_string_equal(failure.other, "target_info");
	assert_true(metrics_failure(12, &failure));
	assert_string_equal(failure.other, "test.plain");
	tel_metric_register(&right);
	assert_false(metrics_failure(count, &failure));
	assert_ptr_equal(tel_series(&right), tel_series(&unlabelled));
}

static void histograms_count_into_their_bucket(void **state)
{
	(void)state;
	struct tel_series *series = tel_series(&seconds, "buckets");
	static const double values[] = {0, 0.001, 0.0010001, 0.01, 0.5, 1, 1.5, INFINITY, -1, NAN};
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
		tel_series_record(series, values[i], NULL);
	assert_int_equal(bucket(series, 0), 2);
	assert_int_equal(bucket(series, 1), 2);
	assert_int_equal(bucket(series, 2), 2);
	assert_int_equal(bucket(series, 3), 2);
	tel_series_record(tel_series(&unlabelled), 0.5, NULL);
	assert_true(series_value(tel_series(&unlabelled)) == 0.5);
}

static void bounds_hold_those_of_the_conventions(void **state)
{
	static const double http[] = {0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10};
	static const double db[] = {.001, .005, .01, .05, .1, .5, 1, 5, 10};
	const struct {
		const double *want;
		size_t count;
		const double *bounds;
	} cases[] = {{http, sizeof(http) / sizeof(*http), tel_http_bounds},
		     {db, sizeof(db) / sizeof(*db), tel_db_bounds}};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		size_t found = 0;
		for (size_t b = 0; cases[i].bounds[b] != 0; b++) {
			assert_true(b < TEL_BOUNDS_MAX);
			assert_true(cases[i].bounds[b] > (b ? cases[i].bounds[b - 1] : 0));
			found += found < cases[i].count && cases[i].want[found] == cases[i].bounds[b];
		}
		assert_int_equal(found, cases[i].count);
	}
}

static void disabled_observations_do_nothing(void **state)
{
	struct tel_span span = sampled_span(1);
	struct exemplar_values values;

	(void)state;
	metrics_init(false);
	double before = series_value(tel_series(&plain));
	struct tel_series *series = tel_series(&seconds, "disabled");
	tel_counter_add(&plain, 1);
	tel_gauge_set(&level, 5555);
	tel_series_record(series, 0.5, &span);
	assert_true(series_value(tel_series(&plain)) == before);
	assert_true(series_value(tel_series(&level)) != 5555);
	assert_int_equal(bucket(series, 2), 0);
	assert_false(exemplar_read(&series->exemplars[2], &values));
	metrics_init(true);
	tel_counter_add(&plain, 1);
	assert_true(series_value(tel_series(&plain)) == before + 1);
}

/* ---- series ---- */

static void series_are_told_apart_by_all_values(void **state)
{
	(void)state;
	struct tel_series *series[] = {
		tel_series(&by_two, "a", "b"), tel_series(&by_two, "ab", ""), tel_series(&by_two, "", "ab"),
		tel_series(&by_two, "b", "a"), tel_series(&by_two, "", ""),
	};
	for (size_t i = 0; i < 5; i++) {
		for (size_t j = 0; j < i; j++)
			assert_ptr_not_equal(series[i], series[j]);
	}
	assert_ptr_equal(tel_series(&by_two, "a", "b"), series[0]);
	assert_ptr_equal(tel_series(&by_two, NULL, NULL), series[4]);
	assert_int_equal(count_series(&by_two), 5);

	char value[200];
	memset(value, 'x', sizeof(value) - 1);
	value[199] = '\0';
	struct tel_series *longest = tel_series(&by_four, value, value, value, value);
	assert_int_equal(longest->key_bytes, 4 * 64);
	assert_ptr_equal(longest, tel_series(&by_four, value, value + 1, value + 2, value + 3));
}

static void label_values_are_text(void **state)
{
	(void)state;
	assert_string_equal(tel_series(&text, "测试")->key, "测试");
	assert_string_equal(tel_series(&text, "a\xff\nb\x7f\xf0\x9f\x98")->key, "a??b??");
	assert_string_equal(tel_series(&text, "\"\\ {}")->key, "\"\\ {}");
	/* 63 bytes at most, and never half a character: 61 and 3 are too many */
	char value[80];
	memset(value, 'x', 61);
	strcpy(value + 61, "测");
	assert_int_equal(strlen(tel_series(&text, value)->key), 61);
	strcpy(value + 60, "测x");
	assert_int_equal(strlen(tel_series(&text, value)->key), 63);
}

static void series_are_limited(void **state)
{
	struct tel_series *series[METRIC_SERIES_MAX + 50];
	char value[16];

	(void)state;
	for (int i = 0; i < METRIC_SERIES_MAX + 50; i++) {
		snprintf(value, sizeof(value), "%d", i);
		series[i] = tel_series(&many, value);
		tel_series_add(series[i], 1);
	}
	assert_int_equal(count_series(&many), METRIC_SERIES_MAX + 1);
	for (int i = 0; i < METRIC_SERIES_MAX; i++) {
		snprintf(value, sizeof(value), "%d", i);
		assert_ptr_equal(tel_series(&many, value), series[i]);
		assert_ptr_equal(metric_series(&many, (unsigned)i), series[i]);
		assert_true(series_value(series[i]) == 1);
	}
	assert_ptr_equal(metric_series(&many, METRIC_SERIES_MAX), series[METRIC_SERIES_MAX]);
	assert_true(series_value(series[METRIC_SERIES_MAX]) == 50);
}

/* Two threads want the same new series at the same time. */
static void *make_the_same(void *arg)
{
	char value[16];

	(void)arg;
	for (int i = 0; i < METRIC_SERIES_MAX + 100; i++) {
		snprintf(value, sizeof(value), "%d", i);
		meet(i + 1);
		tel_series_add(tel_series(&raced, value, "x"), 1);
	}
	return NULL;
}

static void threads_share_series(void **state)
{
	(void)state;
	run_threads(2, make_the_same);
	assert_int_equal(count_series(&raced), METRIC_SERIES_MAX + 1);
	for (unsigned i = 0; i <= METRIC_SERIES_MAX; i++)
		assert_true(series_value(metric_series(&raced, i)) == (i < METRIC_SERIES_MAX ? 2 : 200));
}

/* Runs once before the next lock is taken: what another thread may do between a search and the lock. */
static _Thread_local void (*before_lock)(void);

int __real_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
	void (*const other)(void) = before_lock;

	before_lock = NULL;
	if (other)
		other();
	return __real_pthread_mutex_lock(mutex);
}

static struct tel_series *by_other;

static void make_it_first(void)
{
	by_other = tel_series(&overtaken, "x");
}

static void fill_up(void)
{
	char value[16];

	for (int i = 1; i < METRIC_SERIES_MAX; i++) {
		snprintf(value, sizeof(value), "%d", i);
		tel_series(&overtaken, value);
	}
	by_other = tel_series(&overtaken, "overflow");
}

static void another_thread_is_faster(void **state)
{
	(void)state;
	before_lock = make_it_first;
	struct tel_series *mine = tel_series(&overtaken, "x");
	assert_ptr_equal(mine, by_other);
	assert_int_equal(count_series(&overtaken), 1);
	before_lock = fill_up;
	mine = tel_series(&overtaken, "y");
	assert_ptr_equal(mine, by_other);
	assert_int_equal(count_series(&overtaken), METRIC_SERIES_MAX + 1);
}

#define OBSERVATIONS 100000

static void *observe_much(void *arg)
{
	struct tel_span span = sampled_span((uint8_t)(intptr_t)arg);

	meet(1);
	for (int i = 0; i < OBSERVATIONS; i++) {
		tel_series_record(tel_series(&shared, i % 2 ? "odd" : "even"), (i % 4) * 0.5, &span);
		tel_gauge_add(&level, i % 2 ? 1 : -1);
	}
	return NULL;
}

static void no_observation_is_lost(void **state)
{
	(void)state;
	tel_gauge_set(&level, 0);
	run_threads(THREADS, observe_much);
	const struct tel_series *even = tel_series(&shared, "even"), *odd = tel_series(&shared, "odd");
	uint64_t each = THREADS * OBSERVATIONS / 4;
	assert_int_equal(bucket(even, 0), each);
	assert_int_equal(bucket(even, 2), each);
	assert_int_equal(bucket(odd, 2), each);
	assert_int_equal(bucket(odd, 3), each);
	assert_true(series_value(even) == (double)each);
	assert_true(series_value(odd) == (double)each * 2);
	assert_true(series_value(tel_series(&level)) == 0);
}

static atomic_bool reading_ends;

static void *count_until_the_end(void *arg)
{
	(void)arg;
	while (!atomic_load(&reading_ends)) {
		tel_counter_add(&grown, 0.1);
		tel_counter_add(&grown, 1e6);
		tel_series_record(tel_series(&seconds, "grown"), 0.3, NULL);
	}
	return NULL;
}

static void nothing_goes_back(void **state)
{
	pthread_t threads[THREADS];
	const struct tel_series *counter = tel_series(&grown), *histogram = tel_series(&seconds, "grown");
	double count = 0, sum = 0;
	uint64_t in_bucket = 0;

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count_until_the_end, NULL), 0);
	for (int i = 0; i < 20000 || count < 1e9; i++) {
		double now = series_value(counter), now_sum = series_value(histogram);
		uint64_t now_in_bucket = series_bucket(histogram, 2);
		assert_true(now >= count && now_sum >= sum && now_in_bucket >= in_bucket);
		count = now;
		sum = now_sum;
		in_bucket = now_in_bucket;
	}
	atomic_store(&reading_ends, true);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

static void *add_one(void *series)
{
	tel_series_add(series, 1);
	return NULL;
}

/* Eight threads that begin one after the other, and series that lie side by side: no line has two of them. */
static void threads_share_no_line(void **state)
{
	struct tel_series *series[] = {tel_series(&spread, "a"), tel_series(&spread, "b")};
	pthread_t threads[METRIC_CELLS];

	(void)state;
	for (int i = 0; i < METRIC_CELLS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, add_one, series[0]), 0);
	for (int i = 0; i < METRIC_CELLS; i++)
		pthread_join(threads[i], NULL);
	assert_true(series_value(series[0]) == METRIC_CELLS && series_value(series[1]) == 0);
	const struct tel_series *all[] = {series[0], series[1], tel_series(&seconds, "a"), tel_series(&unlabelled)};
	for (int s = 0; s < 4; s++) {
		assert_int_equal((uintptr_t)all[s]->cells % METRIC_LINE, 0);
		assert_int_equal(all[s]->cell_words * sizeof(uint64_t) % METRIC_LINE, 0);
	}
	for (int i = 0; i < METRIC_CELLS; i++) /* each has one step */
		assert_true(atomic_load(&series[0]->cells[i * series[0]->cell_words]) ==
			    atomic_load(&series[0]->cells[0]));
}

/* ---- cost ---- */

static void observing_allocates_nothing(void **state)
{
	struct tel_span span = sampled_span(9);
	char value[16];

	(void)state;
	unsigned long before = atomic_load(&allocations);
	for (int i = 0; i < 2000; i++) {
		snprintf(value, sizeof(value), "%d", i % 300);
		tel_counter_add(&plain, 1);
		tel_gauge_set(&level, i);
		tel_series_record(tel_series(&seconds, value), i * 0.001, &span);
	}
	assert_int_equal(atomic_load(&allocations), before);

	BUF(b, 10);
	buf_addc(&b, 'x');
	assert_int_equal(atomic_load(&allocations), before + 1); /* so the library's allocations are seen */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counters_and_gauges),
		cmocka_unit_test(one_name_is_one_family),
		cmocka_unit_test(wrong_declarations_are_refused_and_told),
		cmocka_unit_test(histograms_count_into_their_bucket),
		cmocka_unit_test(bounds_hold_those_of_the_conventions),
		cmocka_unit_test(disabled_observations_do_nothing),
		cmocka_unit_test(series_are_told_apart_by_all_values),
		cmocka_unit_test(label_values_are_text),
		cmocka_unit_test(series_are_limited),
		cmocka_unit_test(another_thread_is_faster),
		cmocka_unit_test(threads_share_series),
		cmocka_unit_test(no_observation_is_lost),
		cmocka_unit_test(nothing_goes_back),
		cmocka_unit_test(threads_share_no_line),
		cmocka_unit_test(observing_allocates_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
