/* SPDX-License-Identifier: MIT */
#include "telemetry_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "cmocka_all.h"

char log_text[1 << 20];

/* ---- metrics ---- */

static struct counts counts_before, log_counts_before;

/* `signal` is "span" or "log". */
static double metric_of(const char *signal, const char *before, const char *after)
{
	char name[128];

	snprintf(name, sizeof(name), "otel_sdk_%s%s_%s", before, signal, after);
	return metric(name);
}

/* Reads what has been counted after `before`. */
static struct counts read_counts(const char *signal, const struct counts *before)
{
#define EXPORTED(type) metric_of(signal, "exporter_", "exported_total{error_type=\"" type "\"}")
#define DROPPED(reason) metric_of(signal, "", "dropped_total{reason=\"" reason "\"}")
#define PROCESSED(type) metric_of(signal, "processor_", "processed_total{error_type=\"" type "\"}")
	bool of_logs = strcmp(signal, "log") == 0;

	return (struct counts){
		.live = of_logs ? 0 : metric("otel_sdk_span_live"),
		.queued = metric_of(signal, "processor_", "queue_size"),
		.in_flight = metric_of(signal, "exporter_", "inflight"),
		.started = metric_of(signal, "", of_logs ? "created_total" : "started_total") - before->started,
		.exported = EXPORTED("") - before->exported,
		.rejected = EXPORTED("rejected") - before->rejected,
		.status_4xx = EXPORTED("4xx") - before->status_4xx,
		.status_5xx = EXPORTED("5xx") - before->status_5xx,
		.connection = EXPORTED("connection") - before->connection,
		.timeout = EXPORTED("timeout") - before->timeout,
		.protocol = EXPORTED("protocol") - before->protocol,
		.queue_full = DROPPED("queue_full") - before->queue_full,
		.export_failed = DROPPED("export_failed") - before->export_failed,
		.refused = DROPPED("rejected") - before->refused,
		.shutdown = DROPPED("shutdown") - before->shutdown,
		.passed = PROCESSED("") - before->passed,
		.away_full = PROCESSED("queue_full") - before->away_full,
		.away_large = PROCESSED("too_large") - before->away_large,
		.away_late = PROCESSED("already_shutdown") - before->away_late,
	};
#undef EXPORTED
#undef DROPPED
#undef PROCESSED
}

/* The laws of self_metrics.h. They do not hold while the exporter counts between two readings. */
static bool laws_hold(const struct counts *c)
{
	double dropped = c->queue_full + c->export_failed + c->refused + c->shutdown;
	double away = c->away_full + c->away_large + c->away_late;
	double failed = c->rejected + c->status_4xx + c->status_5xx + c->connection + c->timeout + c->protocol;

	return c->started == c->live + c->queued + c->exported + dropped &&
	       c->started == c->live + c->queued - c->in_flight + c->passed + away &&
	       c->passed == c->in_flight + c->exported + failed;
}

static bool counts_hold(const char *signal, const struct counts *before, struct counts *now)
{
	*now = read_counts(signal, before);
	return laws_hold(now);
}

static struct counts counts_of(const char *signal, const struct counts *before)
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

struct counts counts(void)
{
	return counts_of("span", &counts_before);
}

struct counts log_counts(void)
{
	return counts_of("log", &log_counts_before);
}

/* ---- life cycle ---- */

int fixture_begin_in_real_time(void **state)
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

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
	collector_reserve();
	setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url, 1);
	setenv("OTEL_BSP_SCHEDULE_DELAY", "50", 1);
	log_text[0] = '\0';
	if (temporary_setup(state))
		return -1;
	return setenv("LOG_DIR", temporary, 1);
}

int fixture_begin(void **state)
{
	virtual_server_hangs = &collector.hangs;
	virtual_begin();
	return fixture_begin_in_real_time(state);
}

int fixture_end(void **state)
{
	(void)state;
	collector_stop();
	virtual_end();
	unlink(in_temporary("test-service.log"));
	return rmdir(temporary); /* a test leaves nothing else */
}

void start_with(const struct tel_config *config)
{
	assert_int_equal(tel_init(config), 0);
	counts_before = read_counts("span", &(struct counts){0});
	log_counts_before = read_counts("log", &(struct counts){0});
}

void start_telemetry(bool no_exporter)
{
	start_with(&(struct tel_config){.service_name = "test-service", .no_exporter = no_exporter});
}

double stop_telemetry(unsigned budget_ms)
{
	uint64_t began_ns = clock_monotonic_ns();

	tel_shutdown(budget_ms);
	double took_ms = (double)(clock_monotonic_ns() - began_ns) / 1e6;
	FILE *file = fopen(in_temporary("test-service.log"), "r");
	assert_non_null(file);
	log_text[fread(log_text, 1, sizeof(log_text) - 1, file)] = '\0';
	fclose(file);
	return took_ms;
}

size_t logged(const char *text)
{
	size_t count = 0;

	for (const char *at = log_text; (at = strstr(at, text)); at++)
		count++;
	return count;
}

void make_spans(int count)
{
	while (count--) {
		TEL_SPAN(span, "span", TEL_INTERNAL);
		tel_span_set(span, tel_int("n", count));
	}
}

void wait_until_empty(void)
{
	VIRTUAL_UNTIL(metric("otel_sdk_processor_span_queue_size") == 0, 600);
}
