/* SPDX-License-Identifier: MIT */
/*
 * Both expositions of one set of metrics. `test_expose ACCEPT` prints one (an Accept header) for
 * test_expose_judges.py, in which the parsers of others decide.
 */
#include "cmocka_all.h"
#include "metrics_text.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/random.h"
#include "golden.h"
#include "tel/src/metrics.h"
#include "tel/src/resource.h"
#include "tel/src/span.h"

#define OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define TEXT "text/plain; version=0.0.4; charset=utf-8"

static const double bounds[] = {0.00025, 0.1, 1, 10, 0};

TEL_COUNTER(plain, "test.plain", "{thing}", "A counter.");
TEL_COUNTER(amount, "test.amount", "{thing}", "A sum of money.");
TEL_COUNTER(kinds, "test.kinds", "{thing}", "A counter with labels.", "kind", "other");
TEL_COUNTER(joined, "test.joined", "By/s", "Labels of one name, and a \"help\" with \\\nall signs.", "a_b", "c", "a.b");
TEL_COUNTER(many, "test.many", "{thing}", "Too many series.", "number");
TEL_COUNTER(silent, "test.unused", "{thing}", "No series yet.", "kind");
TEL_GAUGE(level, "test.level", "By", "A gauge.");
TEL_GAUGE(extreme, "test.extremes", "", "Numbers that are none.", "what");
TEL_HISTOGRAM(seconds, "test.request.duration", "s", "A histogram.", bounds, "http.route");
TEL_HISTOGRAM(busy, "test.busy", "s", "Observed while it is written.", bounds);

static uint64_t realtime_ns(void)
{
	return 1763815800123456789;
}

static uint64_t counting(void)
{
	static uint64_t number;

	return ++number * UINT64_C(0x0123456789abcdef);
}

static void observe(double value, const char *route, bool with_span)
{
	struct tel_span storage = {0};
	struct span *span = span_of(&storage);

	span->recording = true;
	span->flags = TEL_SAMPLED;
	memset(span->trace_id, 0x4b, sizeof(span->trace_id));
	memset(span->span_id, 0x0a, sizeof(span->span_id));
	tel_series_record(tel_series(&seconds, route), value, with_span ? &storage : NULL);
}

static void fill_metrics(void)
{
	char number[16];

	clock_source.realtime_ns = realtime_ns;
	random_source = counting;
	setenv("OTEL_RESOURCE_ATTRIBUTES",
	       "service.version=1.2.3,telemetry.sdk.version=1.2.3,team=%E6%B5%8B%22x%5C%0A,k8s.pod.name=p,k8s_pod.name="
	       "q,0day=1",
	       1);
	const struct tel_attr given[] = {tel_lit("service.namespace", "apm"),
					 tel_lit("deployment.environment.name", "development")};
	assert_int_equal(resource_init(&(struct tel_config){.service_name = "test-service",
							    .service_version = "0",
							    .resource = given,
							    .resource_count = 2}),
			 0);
	metrics_init(true);
	tel_counter_add(&plain, 3);
	tel_counter_add(&amount, 99.99);
	tel_counter_add(&amount, 0.01);
	tel_counter_add(&amount, 0.1);
	tel_series_add(tel_series(&kinds, "a\"b\\c", "测试"), 1);
	tel_series_add(tel_series(&kinds, "", "line\nbreak"), 1234567);
	tel_counter_add(&joined, 1, "second", "other", "first");
	for (int i = 0; i < METRIC_SERIES_MAX + 1; i++) {
		snprintf(number, sizeof(number), "%d", i);
		tel_series_add(tel_series(&many, number), i);
	}
	tel_gauge_set(&level, 8388608);
	tel_series_set(tel_series(&extreme, "infinite"), INFINITY);
	tel_series_set(tel_series(&extreme, "negative"), -INFINITY);
	tel_series_set(tel_series(&extreme, "none"), NAN);
	tel_series_set(tel_series(&extreme, "small"), 5e-324);
	tel_series_set(tel_series(&extreme, "large"), 1.5e300);
	observe(0.0001, "/api/v1/orders/{id}", true);
	observe(0.1, "/api/v1/orders/{id}", true);
	observe(0.75, "/api/v1/orders/{id}", false);
	observe(11, "/api/v1/orders/{id}", true);
	observe(0, "_unmatched", false);
}

/* Families of this test (but for the one of 257 lines) and target_info; those of the process differ from run to run. */
static void only_ours(const char *all, struct buf *out)
{
	bool ours = false;

	while (*all) {
		const char *end = strchr(all, '\n') + 1;
		if (strncmp(all, "# HELP ", 7) == 0)
			ours = strncmp(all + 7, "target", 6) == 0 ||
			       (strncmp(all + 7, "test_", 5) == 0 && strncmp(all + 7, "test_many", 9) != 0);
		if (ours || strncmp(all, "# EOF", 5) == 0)
			buf_add(out, all, (size_t)(end - all));
		all = end;
	}
}

static void check_golden(const char *content_type, const char *golden)
{
	BUF(all, 1 << 20);
	BUF(ours, 1 << 20);
	metrics_text(&all, content_type);
	assert_false(all.failed);
	only_ours(all.data, &ours);
	assert_golden(golden, ours.data, ours.len);
}

static void text_format(void **state)
{
	(void)state;
	check_golden(TEXT, "metrics.txt");
}

static void openmetrics_format(void **state)
{
	(void)state;
	check_golden(OPENMETRICS, "metrics.openmetrics.txt");
}

static void the_process_describes_itself(void **state)
{
	static const char *const names[] = {"process_cpu_seconds_total",
					    "process_resident_memory_bytes",
					    "process_virtual_memory_bytes",
					    "process_open_fds",
					    "process_max_fds",
					    "process_start_time_seconds"};
	double values[6];

	(void)state;
	BUF(out, 1 << 20);
	metrics_text(&out, TEXT);
	for (size_t i = 0; i < 6; i++) {
		char needle[64];
		snprintf(needle, sizeof(needle), "\n%s ", names[i]);
		const char *line = strstr(out.data, needle);
		assert_non_null(line);
		values[i] = strtod(line + strlen(needle), NULL);
		assert_true(values[i] > 0);
	}
	assert_true(values[0] < 600);
	assert_true(values[1] > 100000 && values[1] <= values[2]);
	assert_true(values[3] >= 3 && values[3] <= values[4]);
	FILE *opened = fopen("/dev/null", "r");
	buf_reset(&out);
	metrics_text(&out, TEXT);
	assert_true(strtod(strstr(out.data, "\nprocess_open_fds ") + 18, NULL) == values[3] + 1);
	fclose(opened);
	/* started in the last ten minutes; time(2) because this test has stopped the other clock */
	double now = (double)time(NULL);
	assert_true(values[5] > now - 600 && values[5] < now + 2);
}

static unsigned hook_runs;

static void hook(void)
{
	hook_runs++;
	tel_gauge_set(&level, 4711);
}

static void hooks_run_before_each_scrape(void **state)
{
	(void)state;
	tel_metrics_hook(hook);
	BUF(out, 1 << 20);
	metrics_text(&out, TEXT);
	assert_int_equal(hook_runs, 1);
	assert_non_null(strstr(out.data, "\ntest_level_bytes 4711.0\n"));
	buf_reset(&out);
	metrics_text(&out, OPENMETRICS);
	assert_int_equal(hook_runs, 2);
}

static void a_small_buffer_fails(void **state)
{
	(void)state;
	BUF(out, 3000);
	metrics_text(&out, OPENMETRICS);
	assert_true(out.failed);
}

static void disabled_metrics_are_valid_and_empty(void **state)
{
	(void)state;
	metrics_init(false);
	BUF(out, 1000);
	metrics_text(&out, OPENMETRICS);
	assert_string_equal(out.data, "# EOF\n");
	buf_reset(&out);
	metrics_text(&out, TEXT);
	assert_string_equal(out.data, "");
	metrics_init(true);
}

/* ---- a scrape while others observe ---- */

static atomic_bool done;

static void *keep_observing(void *unused)
{
	(void)unused;
	for (unsigned i = 0; !atomic_load(&done); i++)
		tel_series_record(tel_series(&busy), (i % 5) * 0.3, NULL);
	return NULL;
}

static unsigned long number_after(const char *text, const char *label)
{
	const char *at = strstr(text, label);

	assert_non_null(at);
	return strtoul(at + strlen(label), NULL, 10);
}

static void count_is_always_the_last_bucket(void **state)
{
	pthread_t threads[2];
	unsigned long before = 0;

	(void)state;
	atomic_store(&done, false);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, keep_observing, NULL), 0);
	for (int i = 0; i < 300 || !before; i++) { /* on a busy machine they begin late */
		BUF(out, 1 << 20);
		metrics_text(&out, TEXT);
		unsigned long last = number_after(out.data, "test_busy_seconds_bucket{le=\"+Inf\"} ");
		assert_int_equal(last, number_after(out.data, "test_busy_seconds_count "));
		assert_true(last >= number_after(out.data, "test_busy_seconds_bucket{le=\"10.0\"} "));
		assert_true(last >= before);
		before = last;
	}
	atomic_store(&done, true);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}

/* ---- content negotiation ---- */

static void accept_chooses(void **state)
{
	static const struct {
		const char *accept;
		bool openmetrics;
	} cases[] = {
		{NULL, false},
		{"", false},
		{"*/*", false},
		{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", false},
		{"application/openmetrics-text", true},
		{"Application/OpenMetrics-Text", true},
		{"application/openmetrics-text; version=1.0.0", true},
		{"application/openmetrics-text;version=0.0.1", false},
		{"application/openmetrics-text;version=2.0.0,text/plain", false},
		{"application/openmetrics-text;q=0", false},
		{"application/openmetrics-text;q=0.000", false},
		{"application/openmetrics-text ; q=0.001", true},
		{"application/openmetrics-text;q=nonsense", false},
		{"application/openmetrics-text;q=1.5", false},
		{"text/plain", false},
		{"text/plain;version=0.0.4;q=0.9,application/openmetrics-text;q=0.8", false},
		{"text/plain;q=0.8,application/openmetrics-text;q=0.9", true},
		{"text/plain;q=0.8,application/openmetrics-text;q=0.8", true},
		{"*/*,text/plain;q=0.1,application/openmetrics-text;q=0.5", true},
		{"*/*;q=0.9,application/openmetrics-text;q=0.5", false},
		{"text/*;q=0.1,*/*;q=0.9,application/openmetrics-text;q=0.5", true},
		{"application/*", false},
		{"application/openmetrics-textual", false},
		{",,;;=,application/openmetrics-text", true},
		/* Prometheus 2.42 (Debian 12), 2.26 and 3.0 */
		{"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
		 "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
		 true},
		{"application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", false},
		{"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
		 "application/openmetrics-text;version=0.0.1;q=0.5,"
		 "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
		 true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *want = cases[i].openmetrics ? OPENMETRICS : TEXT;
		if (strcmp(tel_metrics_content_type(cases[i].accept), want) != 0)
			fail_msg("%s: not %s", cases[i].accept, want);
	}
}

static void accept_takes_any_bytes(void **state)
{
	static const char alphabet[] = ",;=q01.*/ \t\"\xff"
				       "application/openmetrics-text;version";
	char accept[64];
	unsigned chosen = 0;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		size_t length = random_u64() % sizeof(accept);
		for (size_t c = 0; c < length; c++)
			accept[c] = alphabet[random_u64() % (sizeof(alphabet) - 1)];
		accept[length] = '\0';
		chosen += strcmp(tel_metrics_content_type(accept), TEXT) == 0;
	}
	assert_true(chosen > 0);
}

static int print(const char *accept)
{
	BUF(out, 1 << 20);

	fill_metrics();
	metrics_text(&out, tel_metrics_content_type(accept));
	return out.failed || fwrite(out.data, 1, out.len, stdout) != out.len;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_format),
		cmocka_unit_test(openmetrics_format),
		cmocka_unit_test(the_process_describes_itself),
		cmocka_unit_test(hooks_run_before_each_scrape),
		cmocka_unit_test(a_small_buffer_fails),
		cmocka_unit_test(disabled_metrics_are_valid_and_empty),
		cmocka_unit_test(count_is_always_the_last_bucket),
		cmocka_unit_test(accept_chooses),
		cmocka_unit_test(accept_takes_any_bytes),
	};
	uint64_t (*const real_random)(void) = random_source;

	if (argc > 1)
		return print(argv[1]);
	fill_metrics();
	random_source = real_random;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
