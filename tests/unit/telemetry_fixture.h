/* SPDX-License-Identifier: MIT */
/*
 * The whole of telemetry against the collector of collector.h, with a log in a temporary directory, and in a time of
 * its own unless a test wants the real one.
 */
#ifndef APM_TESTS_TELEMETRY_FIXTURE_H
#define APM_TESTS_TELEMETRY_FIXTURE_H

#include "metrics_text.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/env.h"
#include "collector.h"
#include "tel/tel.h"
#include "virtual_clock.h"

static char log_dir[256];
static char log_text[1 << 20]; /* of the last shutdown */

/* ---- metrics ---- */

/* The value of a line of the exposition, such as otel_sdk_span_dropped_total{reason="shutdown"}. */
static inline double metric(const char *name)
{
	BUF(out, 4 << 20);
	char needle[128];

	metrics_text(&out, tel_metrics_content_type(NULL));
	snprintf(needle, sizeof(needle), "\n%s ", name);
	const char *line = strstr(out.data, needle);
	if (!line)
		fail_msg("%s is not exposed", name);
	return strtod(line + strlen(needle), NULL);
}

struct counts {
	double started, queued;
	double exported, rejected, status_4xx, status_5xx, connection, timeout, protocol;
	double queue_full, export_failed, refused, shutdown;
};

static struct counts counts_before;

static inline struct counts read_counts(void)
{
#define EXPORTED(type) metric("otel_sdk_exporter_span_exported_total{error_type=\"" type "\"}")
#define DROPPED(reason) metric("otel_sdk_span_dropped_total{reason=\"" reason "\"}")
	return (struct counts){
		.started = metric("otel_sdk_span_started_total"),
		.queued = metric("otel_sdk_processor_span_queue_size"),
		.exported = EXPORTED(""),
		.rejected = EXPORTED("rejected"),
		.status_4xx = EXPORTED("4xx"),
		.status_5xx = EXPORTED("5xx"),
		.connection = EXPORTED("connection"),
		.timeout = EXPORTED("timeout"),
		.protocol = EXPORTED("protocol"),
		.queue_full = DROPPED("queue_full"),
		.export_failed = DROPPED("export_failed"),
		.refused = DROPPED("rejected"),
		.shutdown = DROPPED("shutdown"),
	};
#undef EXPORTED
#undef DROPPED
}

/* Since the test began. False: the sums do not hold, as while the exporter counts between two readings. */
static inline bool counts_hold(struct counts *now)
{
	struct counts *before = &counts_before;

	*now = read_counts();
	assert_true(sizeof(*now) % sizeof(double) == 0);
	for (size_t i = 0; i < sizeof(*now) / sizeof(double); i++)
		if (i != 1)
			((double *)now)[i] -= ((double *)before)[i];
	double dropped = now->queue_full + now->export_failed + now->refused + now->shutdown;
	return now->started == now->exported + dropped + now->queued;
}

static inline struct counts counts(void)
{
	struct counts now;

	for (int i = 0; !counts_hold(&now); i++) {
		if (i == 1000)
			fail_msg("%g started, but %g exported + %g + %g + %g + %g dropped + %g queued", now.started,
				 now.exported, now.queue_full, now.export_failed, now.refused, now.shutdown,
				 now.queued);
		clock_sleep_until(clock_monotonic_ns() + VIRTUAL_MS);
	}
	return now;
}

/* ---- life cycle ---- */

/* Set up and tear down every test: a collector on a reserved port, not serving yet; the clock and environment restored.
 */
static inline int fixture_begin_in_real_time(void **state)
{
	static const char *const names[] = {"OTEL_SDK_DISABLED",
					    "OTEL_TRACES_SAMPLER",
					    "OTEL_BSP_SCHEDULE_DELAY",
					    "OTEL_BSP_EXPORT_TIMEOUT",
					    "OTEL_BSP_MAX_QUEUE_SIZE",
					    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
					    "OTEL_EXPORTER_OTLP_HEADERS",
					    "OTEL_EXPORTER_OTLP_TIMEOUT",
					    "OTEL_EXPORTER_OTLP_COMPRESSION",
					    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
	collector_reserve();
	setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url, 1);
	setenv("OTEL_BSP_SCHEDULE_DELAY", "50", 1);
	snprintf(log_dir, sizeof(log_dir), "%s/telemetry-XXXXXX", env_string("TMPDIR", "/tmp"));
	if (!mkdtemp(log_dir))
		return 1;
	setenv("LOG_DIR", log_dir, 1);
	log_text[0] = '\0';
	return 0;
}

static inline int fixture_begin(void **state)
{
	virtual_server_hangs = &collector.hangs;
	virtual_begin();
	return fixture_begin_in_real_time(state);
}

static inline int fixture_end(void **state)
{
	char path[300];

	(void)state;
	collector_stop();
	virtual_end();
	snprintf(path, sizeof(path), "%s/test-service.log", log_dir);
	unlink(path);
	return rmdir(log_dir);
}

static inline void start_telemetry(bool no_exporter)
{
	assert_int_equal(tel_init(&(struct tel_config){.service_name = "test-service", .no_exporter = no_exporter}), 0);
	counts_before = (struct counts){0};
	counts_before = read_counts();
}

/* Ends telemetry and reads the log. Returns the milliseconds that it took. */
static inline double stop_telemetry(unsigned budget_ms)
{
	uint64_t began_ns = clock_monotonic_ns();
	char path[300];

	tel_shutdown(budget_ms);
	double took_ms = (double)(clock_monotonic_ns() - began_ns) / 1e6;
	snprintf(path, sizeof(path), "%s/test-service.log", log_dir);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	log_text[fread(log_text, 1, sizeof(log_text) - 1, file)] = '\0';
	fclose(file);
	return took_ms;
}

static inline size_t logged(const char *text)
{
	size_t count = 0;

	for (const char *at = log_text; (at = strstr(at, text)); at++)
		count++;
	return count;
}

static inline void make_spans(int count)
{
	while (count--) {
		TEL_SPAN(span, "span", TEL_INTERNAL);
		tel_span_set(span, tel_int("n", count));
	}
}

/* Waits until the exporter knows the fate of all spans. */
static inline void wait_until_empty(void)
{
	VIRTUAL_UNTIL(metric("otel_sdk_processor_span_queue_size") == 0, 600);
}

#endif
