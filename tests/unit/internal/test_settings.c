/* SPDX-License-Identifier: MIT */
/* The OTEL_* environment. */
#include "cmocka_all.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tel/src/settings.h"

static struct settings settings;
static const struct exporter_settings *const traces = &settings.signals[SIGNAL_TRACES];
static const struct exporter_settings *const metrics = &settings.signals[SIGNAL_METRICS];
static const struct exporter_settings *const logs = &settings.signals[SIGNAL_LOGS];
static char warnings[8192]; /* what the last read logged; without a log that is on standard error */

static void read_settings(void)
{
	FILE *file = tmpfile();
	int before = dup(STDERR_FILENO);

	assert_non_null(file);
	fflush(stderr);
	dup2(fileno(file), STDERR_FILENO);
	settings_done(&settings);
	assert_int_equal(settings_init(&settings, 5000), 0);
	fflush(stderr);
	dup2(before, STDERR_FILENO);
	close(before);
	rewind(file);
	warnings[fread(warnings, 1, sizeof(warnings) - 1, file)] = '\0';
	fclose(file);
}

static int clear_environment(void **state)
{
	(void)state;
	for (char **variable = environ; *variable;) {
		char name[128];
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(*variable, "="), *variable);
		if (strncmp(name, "OTEL_", 5) == 0)
			unsetenv(name); /* moves the others up */
		else
			variable++;
	}
	return 0;
}

static int free_settings(void **state)
{
	(void)state;
	settings_done(&settings);
	return 0;
}

/* One warning, of this variable, with its value and what is used instead; NULL: whatever. */
static void assert_warned(const char *name, const char *value, const char *used)
{
	char text[512];

	snprintf(text, sizeof(text), "\"variable\":\"%s\"", name);
	const char *line = strstr(warnings, text);
	if (!line || strstr(line + 1, "\"variable\":"))
		fail_msg("%s is not named once: \"%s\"", name, warnings);
	snprintf(text, sizeof(text), "\"value\":\"%s\"", value ? value : "");
	if (value && !strstr(line, text))
		fail_msg("%s=%s: \"%s\"", name, value, warnings);
	snprintf(text, sizeof(text), "\"used\":\"%s\"", used ? used : "");
	if (used && !strstr(line, text))
		fail_msg("%s=%s is not replaced by %s: \"%s\"", name, value ? value : "?", used, warnings);
}

static void set(const char *name, const char *value)
{
	assert_int_equal(setenv(name, value, 1), 0);
}

static void defaults_are_those_of_the_specification(void **state)
{
	(void)state;
	read_settings();
	assert_false(settings.disabled);
	assert_true(settings.sampler.parent_based);
	assert_int_equal(settings.sampler.threshold, 0);
	assert_int_equal(settings.queue_spans, 2048);
	assert_int_equal(settings.batch_spans, 512);
	assert_int_equal(settings.schedule_delay_ms, 5000);
	assert_int_equal(settings.export_timeout_ms, 30000);
	assert_int_equal(traces->timeout_ms, 10000);
	assert_false(traces->gzip);
	assert_string_equal(traces->url, "http://localhost:4318/v1/traces");
	assert_int_equal(traces->header_count, 0);
	assert_null(traces->certificate);
	assert_string_equal(metrics->url, "http://localhost:4318/v1/metrics");
	assert_string_equal(logs->url, "http://localhost:4318/v1/logs");
	assert_true(traces->otlp);
	assert_false(metrics->otlp || logs->otlp);
	assert_true(settings.prometheus);
	assert_int_equal(settings.log_queue, 2048);
	assert_int_equal(settings.log_batch, 512);
	assert_int_equal(settings.log_delay_ms, 1000);
	assert_int_equal(settings.log_timeout_ms, 30000);
	assert_int_equal(settings.metric_interval_ms, 60000);
	assert_int_equal(settings.metric_timeout_ms, 30000);
	assert_string_equal(warnings, "");
}

static void values_are_read(void **state)
{
	(void)state;
	set("OTEL_SDK_DISABLED", "TRUE");
	set("OTEL_TRACES_SAMPLER", "traceidratio");
	set("OTEL_TRACES_SAMPLER_ARG", "0.5");
	set("OTEL_BSP_SCHEDULE_DELAY", "100");
	set("OTEL_BSP_EXPORT_TIMEOUT", "200");
	set("OTEL_BSP_MAX_QUEUE_SIZE", "100");
	set("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "99");
	set("OTEL_EXPORTER_OTLP_TIMEOUT", "400");
	set("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
	read_settings();
	assert_true(settings.disabled);
	assert_false(settings.sampler.parent_based);
	assert_int_equal(settings.sampler.threshold, SAMPLER_NONE / 2);
	assert_int_equal(settings.schedule_delay_ms, 100);
	assert_int_equal(settings.export_timeout_ms, 200);
	assert_int_equal(settings.queue_spans, 100);
	assert_int_equal(settings.batch_spans, 99);
	assert_int_equal(traces->timeout_ms, 400);
	assert_true(traces->gzip);
	assert_string_equal(warnings, "");
}

static void the_endpoint_for_all_signals_gets_a_path(void **state)
{
	static const char *const cases[][2] = {
		{"http://collector:4318", "http://collector:4318/v1/traces"},
		{"http://collector:4318/", "http://collector:4318/v1/traces"},
		{"https://example.com/otlp", "https://example.com/otlp/v1/traces"},
		{"HTTP://collector", "HTTP://collector/v1/traces"},
		{"http://[::1]:4318", "http://[::1]:4318/v1/traces"},
		{"http://[2001:db8::1]", "http://[2001:db8::1]/v1/traces"},
		{"http://user:a@b@collector:4318", "http://user:a@b@collector:4318/v1/traces"},
		{"", "http://localhost:4318/v1/traces"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		set("OTEL_EXPORTER_OTLP_ENDPOINT", cases[i][0]);
		read_settings();
		assert_string_equal(traces->url, cases[i][1]);
		assert_string_equal(warnings, "");
	}
	/* that for traces is used as it is */
	set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:1234");
	read_settings();
	assert_string_equal(traces->url, "http://traces:1234");
}

static void the_path_comes_before_a_query(void **state)
{
	static const char *const cases[][2] = {
		{"http://h:1?x=1", "http://h:1/v1/traces?x=1"},
		{"http://h:1/?x=/", "http://h:1/v1/traces?x=/"},
		{"http://h:1/a/b?x=1#part?y", "http://h:1/a/b/v1/traces?x=1"},
		{"http://h:1/a#part?y", "http://h:1/a/v1/traces"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		set("OTEL_EXPORTER_OTLP_ENDPOINT", cases[i][0]);
		read_settings();
		assert_string_equal(traces->url, cases[i][1]);
	}
	set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://h:1/?x=1#part");
	read_settings();
	assert_string_equal(traces->url, "http://h:1/?x=1");
}

static void each_signal_has_its_own(void **state)
{
	(void)state;
	set("OTEL_EXPORTER_OTLP_ENDPOINT", "http://all/");
	set("OTEL_EXPORTER_OTLP_HEADERS", "all=1");
	set("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
	set("OTEL_EXPORTER_OTLP_CERTIFICATE", "/dev/zero"); /* files that can be read */
	set("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "metrics=2");
	set("OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY", "/dev/null");
	set("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "5");
	set("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://logs/here");
	set("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "none");
	set("OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE", "/proc/self/maps");
	set("OTEL_BLRP_SCHEDULE_DELAY", "7");
	set("OTEL_METRIC_EXPORT_TIMEOUT", "0");
	read_settings();
	assert_string_equal(warnings, "");
	assert_string_equal(traces->url, "http://all/v1/traces");
	assert_string_equal(metrics->url, "http://all/v1/metrics");
	assert_string_equal(logs->url, "http://logs/here");
	assert_string_equal(traces->headers[0].key, "all");
	assert_string_equal(metrics->headers[0].key, "metrics");
	assert_int_equal(metrics->header_count, 1);
	assert_string_equal(logs->headers[0].key, "all");
	assert_true(traces->gzip && metrics->gzip && !logs->gzip);
	assert_int_equal(traces->timeout_ms, 10000);
	assert_int_equal(metrics->timeout_ms, 5);
	assert_string_equal(traces->certificate, "/dev/zero");
	assert_string_equal(logs->certificate, "/proc/self/maps");
	assert_string_equal(metrics->client_key, "/dev/null");
	assert_null(logs->client_key);
	assert_int_equal(settings.log_delay_ms, 7);
	assert_int_equal(settings.metric_timeout_ms, INT_MAX);
}

static void limits_are_read(void **state)
{
	const struct span_limits *limits = &settings.span_limits;

	(void)state;
	read_settings();
	assert_int_equal(limits->attributes, 128);
	assert_int_equal(limits->events, 128);
	assert_int_equal(limits->links, 128);
	assert_int_equal(limits->event_attributes, 128);
	assert_int_equal(limits->characters, UINT32_MAX);
	set("OTEL_ATTRIBUTE_COUNT_LIMIT", "5");
	set("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "6");
	set("OTEL_SPAN_EVENT_COUNT_LIMIT", "0");
	set("OTEL_SPAN_LINK_COUNT_LIMIT", "7");
	read_settings();
	assert_int_equal(limits->attributes, 5);
	assert_int_equal(limits->events, 0);
	assert_int_equal(limits->links, 7);
	assert_int_equal(limits->event_attributes, 5);
	assert_int_equal(limits->characters, 6);
	set("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "8");
	set("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "9");
	set("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "10");
	read_settings();
	assert_int_equal(limits->attributes, 8);
	assert_int_equal(limits->event_attributes, 9);
	assert_int_equal(limits->characters, 10);
	assert_string_equal(warnings, "");
}

static void propagators_and_exemplars_can_be_left_out(void **state)
{
	(void)state;
	read_settings();
	assert_int_equal(settings.propagators, PROPAGATE_TRACECONTEXT | PROPAGATE_BAGGAGE);
	assert_true(settings.exemplars);
	set("OTEL_PROPAGATORS", "baggage");
	set("OTEL_METRICS_EXEMPLAR_FILTER", "always_off");
	read_settings();
	assert_int_equal(settings.propagators, PROPAGATE_BAGGAGE);
	assert_false(settings.exemplars);
	set("OTEL_PROPAGATORS", "none");
	read_settings();
	assert_int_equal(settings.propagators, 0);
	assert_string_equal(warnings, "");
}

static void exporters_are_selected(void **state)
{
	(void)state;
	set("OTEL_TRACES_EXPORTER", "None");
	set("OTEL_METRICS_EXPORTER", " prometheus ,OTLP");
	set("OTEL_LOGS_EXPORTER", "otlp,otlp");
	read_settings();
	assert_string_equal(warnings, "");
	assert_false(traces->otlp);
	assert_true(metrics->otlp && settings.prometheus && logs->otlp);
	set("OTEL_METRICS_EXPORTER", "none");
	set("OTEL_LOGS_EXPORTER", "none");
	read_settings();
	assert_false(metrics->otlp || settings.prometheus || logs->otlp);
	set("OTEL_METRICS_EXPORTER", "otlp");
	read_settings();
	assert_true(metrics->otlp && !settings.prometheus);
	assert_string_equal(warnings, "");
}

static void what_is_no_url_is_named_and_ignored(void **state)
{
	static const char *const wrong[] = {
		"collector:4318", "grpc://collector", "file:///etc/passwd", "http://",        "http:///x",
		"http://a b",     "http://a\r\nX: 1", "http://:4318",       "http://a:0",     "http://a:65536",
		"http://a:43x8",  "http://a:",        "http://[::1",        "http://[]:4318", "http://[::1]4318",
		"http://u:p@",    "http://a:4318:1",  "http://a:-1"};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		clear_environment(NULL);
		set("OTEL_EXPORTER_OTLP_ENDPOINT", wrong[i]);
		read_settings();
		assert_string_equal(traces->url, "http://localhost:4318/v1/traces");
		assert_warned("OTEL_EXPORTER_OTLP_ENDPOINT", NULL, "http://localhost:4318");
		clear_environment(NULL);
		set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", wrong[i]);
		read_settings();
		assert_string_equal(traces->url, "http://localhost:4318/v1/traces");
		assert_warned("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", NULL, "http://localhost:4318/v1/traces");
	}
}

static void headers_are_decoded(void **state)
{
	(void)state;
	set("OTEL_EXPORTER_OTLP_HEADERS", " api-key = a%20b%2Cc , x=1=2,empty=");
	read_settings();
	assert_int_equal(traces->header_count, 3);
	assert_string_equal(traces->headers[0].key, "api-key");
	assert_string_equal(traces->headers[0].value, "a b,c");
	assert_string_equal(traces->headers[1].value, "1=2");
	assert_string_equal(traces->headers[2].value, "");
	assert_string_equal(warnings, "");

	set("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "y=2");
	read_settings();
	assert_int_equal(traces->header_count, 1);
	assert_string_equal(traces->headers[0].key, "y");
}

static void bad_headers_are_ignored_and_not_shown(void **state)
{
	static const char *const wrong[] = {"secret",           "=secret",     "a=secret%",         "a=secret%0",
					    "a=secret%zz",      "a=secret%00", "a=secret%0d%0aX:1", "a=secret%0A",
					    "a=secret\x7f",     "a b=secret",  "a:b=secret",        "a%0d=secret",
					    "ok=1,a%20b=secret"};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		set("OTEL_EXPORTER_OTLP_HEADERS", wrong[i]);
		read_settings();
		if (traces->header_count)
			fail_msg("\"%s\" was taken", wrong[i]);
		assert_non_null(strstr(warnings, "OTEL_EXPORTER_OTLP_HEADERS"));
		assert_null(strstr(warnings, "secret"));
	}
}

static void what_is_for_traces_wins(void **state)
{
	(void)state;
	set("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
	set("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "none");
	set("OTEL_EXPORTER_OTLP_TIMEOUT", "1");
	set("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "2");
	read_settings();
	assert_false(traces->gzip);
	assert_int_equal(traces->timeout_ms, 2);
}

/* What is bad does not hide what is good. */
static void a_bad_one_for_traces_leaves_that_for_all(void **state)
{
	(void)state;
	set("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector");
	set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector");
	read_settings();
	assert_string_equal(traces->url, "http://collector/v1/traces");
	assert_warned("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector", "http://collector/v1/traces");

	clear_environment(NULL);
	set("OTEL_EXPORTER_OTLP_TIMEOUT", "7");
	set("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "soon");
	read_settings();
	assert_int_equal(traces->timeout_ms, 7);
	assert_warned("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "soon", "7");

	clear_environment(NULL);
	set("OTEL_EXPORTER_OTLP_HEADERS", "a=1");
	set("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "secret");
	read_settings();
	assert_int_equal(traces->header_count, 1);
	assert_string_equal(traces->headers[0].value, "1");
	assert_warned("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "(hidden)", NULL);

	clear_environment(NULL);
	set("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
	set("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "br");
	read_settings();
	assert_true(traces->gzip);
	assert_warned("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "br", "gzip");
}

static void what_is_not_understood_is_named(void **state)
{
	static const char *const wrong[][3] = {
		{"OTEL_TRACES_SAMPLER", "sometimes", "parentbased_always_on"},
		{"OTEL_TRACES_SAMPLER", "parentbased_", "parentbased_always_on"},
		{"OTEL_TRACES_SAMPLER", "traceidratio ", "parentbased_always_on"},
		{"OTEL_BSP_SCHEDULE_DELAY", "5s", "5000"},
		{"OTEL_BSP_SCHEDULE_DELAY", "-1", "5000"},
		{"OTEL_BSP_MAX_QUEUE_SIZE", "0", "2048"},
		{"OTEL_BSP_MAX_QUEUE_SIZE", "99999999999999999999", "2048"},
		{"OTEL_BSP_MAX_QUEUE_SIZE", "0x10", "2048"},
		{"OTEL_BSP_MAX_QUEUE_SIZE", " 16", "2048"},
		{"OTEL_BSP_MAX_QUEUE_SIZE", "1,000", "2048"},
		{"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "-1", "512"},
		{"OTEL_BSP_EXPORT_TIMEOUT", "x", "30000"},
		{"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "1.5", "10000"},
		{"OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "none"},
		{"OTEL_SDK_DISABLED", "1", "false"},
		{"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/protobuf"},
		{"OTEL_TRACES_EXPORTER", "zipkin", "otlp"},
		{"OTEL_PROPAGATORS", "b3", "tracecontext, baggage"},
		{"OTEL_PROPAGATORS", "b3,tracecontext,baggage", "tracecontext, baggage"},
		{"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "-1", "no limit"},
		{"OTEL_SPAN_EVENT_COUNT_LIMIT", "many", "128"},
		{"OTEL_METRICS_EXEMPLAR_FILTER", "always_on", "trace_based"},
		{"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta", "cumulative"},
		{"OTEL_CONFIG_FILE", "/etc/otel.yaml", "the environment"},
		{"OTEL_LOG_LEVEL", "loud", "LOG_LEVEL"},
		{"LOG_LEVEL", "loud", "info"},
		{"OTEL_EXPORTER_OTLP_LOGS_INSECURE", "true", "the scheme of the endpoint"},
		{"OTEL_EXPORTER_PROMETHEUS_PORT", "9464", "nothing"},
		{"OTEL_EXPORTER_OTLP_CERTIFICATE", "/nonexistent.pem", "no collector, until it can be read"},
		{"OTEL_EXPORTER_OTLP_LOGS_CLIENT_KEY", "/", "no collector, until it can be read"},
		{"OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "http/json", "http/protobuf"},
		{"OTEL_METRICS_EXPORTER", "console", "prometheus"},
		{"OTEL_LOGS_EXPORTER", "console", "none"},
		{"OTEL_TRACES_EXPORTER", "zipkin,OTLP", "otlp"},
		{"OTEL_TRACES_EXPORTER", "none,otlp", "otlp"},
		{"OTEL_TRACES_EXPORTER", ",", "otlp"},
		{"OTEL_BLRP_MAX_QUEUE_SIZE", "0", "2048"},
		{"OTEL_METRIC_EXPORT_INTERVAL", "1m", "60000"},
		{"OTEL_EXPORTER_OTLP_ENDPIONT", NULL, "nothing"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		set(wrong[i][0], wrong[i][1] ? wrong[i][1] : "secret");
		read_settings();
		assert_warned(wrong[i][0], wrong[i][1], wrong[i][2]);
		assert_null(strstr(warnings, "secret"));
		assert_true(settings.sampler.parent_based);
		assert_int_equal(settings.sampler.threshold, 0);
		assert_int_equal(settings.schedule_delay_ms, 5000);
		assert_int_equal(settings.queue_spans, 2048);
		assert_int_equal(settings.batch_spans, 512);
		assert_int_equal(traces->timeout_ms, 10000);
		assert_int_equal(settings.export_timeout_ms, 30000);
		assert_false(traces->gzip || settings.disabled);
		unsetenv(wrong[i][0]);
	}
}

/* As if it were not set, says the specification. */
static void a_bad_argument_of_the_sampler_is_ignored(void **state)
{
	static const char *const bad[] = {"1.5", "-0.1", "0,5", "nan", "inf", "0x1", "half", "0.5 ", " 0.5", ".", "5%"};

	(void)state;
	set("OTEL_TRACES_SAMPLER", "traceidratio");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		set("OTEL_TRACES_SAMPLER_ARG", bad[i]);
		read_settings();
		assert_warned("OTEL_TRACES_SAMPLER_ARG", bad[i], "1.0");
		assert_false(settings.sampler.parent_based);
		assert_int_equal(settings.sampler.threshold, 0);
	}
	set("OTEL_TRACES_SAMPLER", "always_off");
	set("OTEL_TRACES_SAMPLER_ARG", "0.5");
	read_settings();
	assert_warned("OTEL_TRACES_SAMPLER_ARG", "0.5", "nothing");
	assert_int_equal(settings.sampler.threshold, SAMPLER_NONE);
	unsetenv("OTEL_TRACES_SAMPLER");
	read_settings();
	assert_warned("OTEL_TRACES_SAMPLER_ARG", "0.5", "nothing");
}

static void a_batch_is_not_more_than_the_queue(void **state)
{
	(void)state;
	set("OTEL_BSP_MAX_QUEUE_SIZE", "100");
	read_settings();
	assert_int_equal(settings.batch_spans, 100);
	assert_string_equal(warnings, ""); /* nobody has asked for the 512 */
	set("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "300");
	read_settings();
	assert_int_equal(settings.batch_spans, 100);
	assert_warned("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "300", NULL);
}

static void a_time_out_of_0_is_none(void **state)
{
	(void)state;
	set("OTEL_EXPORTER_OTLP_TIMEOUT", "0");
	set("OTEL_BSP_EXPORT_TIMEOUT", "0");
	read_settings();
	assert_int_equal(traces->timeout_ms, INT_MAX);
	assert_int_equal(settings.export_timeout_ms, INT_MAX);
	assert_string_equal(warnings, "");
}

static void what_happens_anyway_is_not_warned_of(void **state)
{
	(void)state;
	set("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf");
	set("OTEL_TRACES_EXPORTER", "otlp");
	set("OTEL_PROPAGATORS", "tracecontext,baggage,baggage");
	set("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "1");
	set("OTEL_LOG_LEVEL", "WARN");
	set("OTEL_METRICS_EXEMPLAR_FILTER", "Trace_Based");
	set("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "CUMULATIVE");
	set("OTEL_EXPORTER_OTLP_CERTIFICATE", "");
	set("OTEL_SERVICE_NAME", "shop");
	set("OTEL_RESOURCE_ATTRIBUTES", "a=b");
	read_settings();
	assert_string_equal(warnings, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, clear_environment, free_settings)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(defaults_are_those_of_the_specification),
		TEST(values_are_read),
		TEST(the_endpoint_for_all_signals_gets_a_path),
		TEST(the_path_comes_before_a_query),
		TEST(each_signal_has_its_own),
		TEST(exporters_are_selected),
		TEST(limits_are_read),
		TEST(propagators_and_exemplars_can_be_left_out),
		TEST(what_is_no_url_is_named_and_ignored),
		TEST(headers_are_decoded),
		TEST(bad_headers_are_ignored_and_not_shown),
		TEST(what_is_for_traces_wins),
		TEST(a_bad_one_for_traces_leaves_that_for_all),
		TEST(what_is_not_understood_is_named),
		TEST(a_bad_argument_of_the_sampler_is_ignored),
		TEST(a_batch_is_not_more_than_the_queue),
		TEST(a_time_out_of_0_is_none),
		TEST(what_happens_anyway_is_not_warned_of),
	};

	return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
