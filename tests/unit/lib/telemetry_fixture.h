/* SPDX-License-Identifier: MIT */
/*
 * The whole of telemetry against the collector of collector.h, with a log in a temporary directory, and in a time of
 * its own unless a test wants the real one.
 */
#ifndef APM_TESTS_TELEMETRY_FIXTURE_H
#define APM_TESTS_TELEMETRY_FIXTURE_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/env.h"
#include "collector.h"
#include "metrics_text.h"
#include "tel/tel.h"
#include "virtual_clock.h"

static char log_dir[256];
static char log_text[1 << 20]; /* of the last shutdown */

/* ---- metrics ---- */

/* The value of a line of the exposition, such as otel_sdk_span_dropped_total{reason="shutdown"}. */
static inline double metric(const char *name)
{
	BUF(out, 4 << 20);
	char needle[160];

	metrics_text(&out, tel_metrics_content_type(NULL));
	snprintf(needle, sizeof(needle), "\n%s ", name);
	const char *line = strstr(out.data, needle);
	if (!line)
		fail_msg("%s is not exposed", name);
	return strtod(line + strlen(needle), NULL);
}

/* Of spans, or of log records, which are made and never live. */
struct counts {
	double live, queued, in_flight; /* now; those below since the test began */
	double started;
	double exported, rejected, status_4xx, status_5xx, connection, timeout, protocol;
	double queue_full, export_failed, refused, shutdown; /* dropped */
	double passed, away_full, away_large, away_late;     /* processed */
};

#define COUNTS (sizeof(struct counts) / sizeof(double))
#define COUNTS_NOW 3 /* the first ones */

static struct counts counts_before, log_counts_before;

/* `signal` is "span" or "log". */
static inline double metric_of(const char *signal, const char *before, const char *after)
{
	char name[128];

	snprintf(name, sizeof(name), "otel_sdk_%s%s_%s", before, signal, after);
	return metric(name);
}

static inline struct counts read_counts(const char *signal)
{
#define EXPORTED(type) metric_of(signal, "exporter_", "exported_total{error_type=\"" type "\"}")
#define DROPPED(reason) metric_of(signal, "", "dropped_total{reason=\"" reason "\"}")
#define PROCESSED(type) metric_of(signal, "processor_", "processed_total{error_type=\"" type "\"}")
	bool of_logs = strcmp(signal, "log") == 0;

	return (struct counts){
		.live = of_logs ? 0 : metric("otel_sdk_span_live"),
		.queued = metric_of(signal, "processor_", "queue_size"),
		.in_flight = metric_of(signal, "exporter_", "inflight"),
		.started = metric_of(signal, "", of_logs ? "created_total" : "started_total"),
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
		.passed = PROCESSED(""),
		.away_full = PROCESSED("queue_full"),
		.away_large = PROCESSED("too_large"),
		.away_late = PROCESSED("already_shutdown"),
	};
#undef EXPORTED
#undef DROPPED
#undef PROCESSED
}

/* The laws of self_metrics.h. They do not hold while the exporter counts between two readings. */
static inline bool laws_hold(const struct counts *c)
{
	double dropped = c->queue_full + c->export_failed + c->refused + c->shutdown;
	double away = c->away_full + c->away_large + c->away_late;
	double failed = c->rejected + c->status_4xx + c->status_5xx + c->connection + c->timeout + c->protocol;

	return c->started == c->live + c->queued + c->exported + dropped &&
	       c->started == c->live + c->queued - c->in_flight + c->passed + away &&
	       c->passed == c->in_flight + c->exported + failed;
}

static inline bool counts_hold(const char *signal, const struct counts *before, struct counts *now)
{
	*now = read_counts(signal);
	for (size_t i = COUNTS_NOW; i < COUNTS; i++)
		((double *)now)[i] -= ((const double *)before)[i];
	return laws_hold(now);
}

static inline struct counts counts_of(const char *signal, const struct counts *before)
{
	struct counts c;

	for (int i = 0; !counts_hold(signal, before, &c); i++) {
		if (i == 1000)
			fail_msg("%g started, but %g live + %g queued (%g in flight) + %g exported + %g + %g + %g + %g "
				 "dropped; %g passed, %g + %g + %g turned away",
				 c.started, c.live, c.queued, c.in_flight, c.exported, c.queue_full, c.export_failed,
				 c.refused, c.shutdown, c.passed, c.away_full, c.away_large, c.away_late);
		clock_sleep_until(clock_monotonic_ns() + VIRTUAL_MS);
	}
	return c;
}

static inline struct counts counts(void)
{
	return counts_of("span", &counts_before);
}

static inline struct counts log_counts(void)
{
	return counts_of("log", &log_counts_before);
}

/* ---- life cycle ---- */

/* Set up and tear down every test: a collector on a reserved port, not serving yet; the clock and environment restored.
 */
static inline int fixture_begin_in_real_time(void **state)
{
	static const char *const names[] = {"LOG_LEVEL",
					    "OTEL_SDK_DISABLED",
					    "OTEL_TRACES_EXPORTER",
					    "OTEL_LOGS_EXPORTER",
					    "OTEL_METRICS_EXPORTER",
					    "OTEL_METRIC_EXPORT_INTERVAL",
					    "OTEL_METRIC_EXPORT_TIMEOUT",
					    "OTEL_BLRP_SCHEDULE_DELAY",
					    "OTEL_BLRP_EXPORT_TIMEOUT",
					    "OTEL_BLRP_MAX_QUEUE_SIZE",
					    "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE",
					    "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
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

static inline void start_with(const struct tel_config *config)
{
	assert_int_equal(tel_init(config), 0);
	counts_before = read_counts("span");
	log_counts_before = read_counts("log");
}

static inline void start_telemetry(bool no_exporter)
{
	start_with(&(struct tel_config){.service_name = "test-service", .no_exporter = no_exporter});
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
