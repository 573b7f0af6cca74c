/* The OTEL_* environment. */
#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "telemetry/settings.h"

static struct settings settings;
static char warnings[4096]; /* what the last read wrote to stderr */

static void read_settings(void)
{
	FILE *file = tmpfile();
	int before = dup(STDERR_FILENO);

	assert_non_null(file);
	fflush(stderr);
	dup2(fileno(file), STDERR_FILENO);
	settings_done(&settings);
	settings_init(&settings);
	fflush(stderr);
	dup2(before, STDERR_FILENO);
	close(before);
	rewind(file);
	warnings[fread(warnings, 1, sizeof(warnings) - 1, file)] = '\0';
	fclose(file);
}

static int clear_environment(void **state)
{
	static const char *const names[] = {
		"OTEL_SDK_DISABLED",
		"OTEL_TRACES_SAMPLER",
		"OTEL_TRACES_SAMPLER_ARG",
		"OTEL_BSP_SCHEDULE_DELAY",
		"OTEL_BSP_EXPORT_TIMEOUT",
		"OTEL_BSP_MAX_QUEUE_SIZE",
		"OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
		"OTEL_EXPORTER_OTLP_ENDPOINT",
		"OTEL_EXPORTER_OTLP_HEADERS",
		"OTEL_EXPORTER_OTLP_TIMEOUT",
		"OTEL_EXPORTER_OTLP_COMPRESSION",
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
		"OTEL_EXPORTER_OTLP_TRACES_HEADERS",
		"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
		"OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
	return 0;
}

static int free_settings(void **state)
{
	(void)state;
	settings_done(&settings);
	return 0;
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
	assert_int_equal(settings.request_timeout_ms, 10000);
	assert_false(settings.gzip);
	assert_string_equal(settings.url, "http://localhost:4318/v1/traces");
	assert_int_equal(settings.header_count, 0);
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
	set("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "300");
	set("OTEL_EXPORTER_OTLP_TIMEOUT", "400");
	set("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
	read_settings();
	assert_true(settings.disabled);
	assert_false(settings.sampler.parent_based);
	assert_int_equal(settings.sampler.threshold, SAMPLER_NONE / 2);
	assert_int_equal(settings.schedule_delay_ms, 100);
	assert_int_equal(settings.export_timeout_ms, 200);
	assert_int_equal(settings.queue_spans, 100);
	assert_int_equal(settings.batch_spans, 100); /* must not exceed the queue */
	assert_int_equal(settings.request_timeout_ms, 400);
	assert_true(settings.gzip);
	assert_string_equal(warnings, "");
}

static void the_endpoint_for_all_signals_gets_a_path(void **state)
{
	static const char *const cases[][2] = {
		{"http://collector:4318", "http://collector:4318/v1/traces"},
		{"http://collector:4318/", "http://collector:4318/v1/traces"},
		{"https://example.com/otlp", "https://example.com/otlp/v1/traces"},
		{"HTTP://collector", "HTTP://collector/v1/traces"},
		{"", "http://localhost:4318/v1/traces"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		set("OTEL_EXPORTER_OTLP_ENDPOINT", cases[i][0]);
		read_settings();
		assert_string_equal(settings.url, cases[i][1]);
		assert_string_equal(warnings, "");
	}
	/* that for traces is used as it is */
	set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:1234");
	read_settings();
	assert_string_equal(settings.url, "http://traces:1234");
}

static void what_is_no_url_is_named_and_ignored(void **state)
{
	static const char *const wrong[] = {"collector:4318", "grpc://collector", "file:///etc/passwd", "http://",
					    "http:///x",      "http://a b",       "http://a\r\nX: 1"};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		clear_environment(NULL);
		set("OTEL_EXPORTER_OTLP_ENDPOINT", wrong[i]);
		read_settings();
		assert_string_equal(settings.url, "http://localhost:4318/v1/traces");
		assert_non_null(strstr(warnings, "OTEL_EXPORTER_OTLP_ENDPOINT="));
		set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", wrong[i]);
		read_settings();
		assert_string_equal(settings.url, "http://localhost:4318/v1/traces");
		assert_non_null(strstr(warnings, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="));
	}
}

static void headers_are_decoded(void **state)
{
	(void)state;
	set("OTEL_EXPORTER_OTLP_HEADERS", " api-key = a%20b%2Cc , x=1=2,empty=");
	read_settings();
	assert_int_equal(settings.header_count, 3);
	assert_string_equal(settings.headers[0].key, "api-key");
	assert_string_equal(settings.headers[0].value, "a b,c");
	assert_string_equal(settings.headers[1].value, "1=2");
	assert_string_equal(settings.headers[2].value, "");
	assert_string_equal(warnings, "");

	set("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "y=2");
	read_settings();
	assert_int_equal(settings.header_count, 1);
	assert_string_equal(settings.headers[0].key, "y");
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
		if (settings.header_count)
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
	assert_false(settings.gzip);
	assert_int_equal(settings.request_timeout_ms, 2);
}

static void what_is_not_understood_is_named(void **state)
{
	static const char *const wrong[][2] = {
		{"OTEL_TRACES_SAMPLER", "sometimes"},       {"OTEL_BSP_SCHEDULE_DELAY", "5s"},
		{"OTEL_BSP_MAX_QUEUE_SIZE", "0"},           {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "-1"},
		{"OTEL_BSP_EXPORT_TIMEOUT", "x"},           {"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "1.5"},
		{"OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"}, {"OTEL_SDK_DISABLED", "1"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		clear_environment(NULL);
		set(wrong[i][0], wrong[i][1]);
		read_settings();
		if (!strstr(warnings, wrong[i][0]) || !strstr(warnings, wrong[i][1]))
			fail_msg("%s: \"%s\"", wrong[i][0], warnings);
		assert_int_equal(settings.schedule_delay_ms, 5000);
		assert_int_equal(settings.queue_spans, 2048);
		assert_int_equal(settings.batch_spans, 512);
		assert_int_equal(settings.request_timeout_ms, 10000);
		assert_false(settings.gzip || settings.disabled);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, clear_environment, free_settings)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(defaults_are_those_of_the_specification),
		TEST(values_are_read),
		TEST(the_endpoint_for_all_signals_gets_a_path),
		TEST(what_is_no_url_is_named_and_ignored),
		TEST(headers_are_decoded),
		TEST(bad_headers_are_ignored_and_not_shown),
		TEST(what_is_for_traces_wins),
		TEST(what_is_not_understood_is_named),
	};

	return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
