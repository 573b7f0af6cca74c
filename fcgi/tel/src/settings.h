/* SPDX-License-Identifier: MIT */
/*
 * The OTEL_* environment that tracing honours (OpenTelemetry specification, "Environment Variable Specification" and
 * "OpenTelemetry Protocol Exporter"). Internal to tel/.
 */
#ifndef TEL_SETTINGS_H
#define TEL_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "tel/src/pairs.h"
#include "tel/src/sampler.h"

struct settings {
	bool failed;                    /* memory was short */
	bool disabled;                  /* OTEL_SDK_DISABLED */
	struct sampler sampler;         /* OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG */
	size_t queue_spans;             /* OTEL_BSP_MAX_QUEUE_SIZE */
	size_t batch_spans;             /* OTEL_BSP_MAX_EXPORT_BATCH_SIZE, not more than the queue */
	unsigned schedule_delay_ms;     /* OTEL_BSP_SCHEDULE_DELAY */
	unsigned export_timeout_ms;     /* OTEL_BSP_EXPORT_TIMEOUT: of a batch with all its retries */
	unsigned request_timeout_ms;    /* OTEL_EXPORTER_OTLP_TIMEOUT: of one attempt */
	bool gzip;                      /* OTEL_EXPORTER_OTLP_COMPRESSION */
	char *url;                      /* OTEL_EXPORTER_OTLP_ENDPOINT */
	struct pair headers[PAIRS_MAX]; /* OTEL_EXPORTER_OTLP_HEADERS: field names and values that HTTP allows */
	size_t header_count;
	char *headers_text; /* what `headers` point into */
};

/*
 * Reads the environment. OTEL_EXPORTER_OTLP_TRACES_… wins over OTEL_EXPORTER_OTLP_…. What is set to an unknown or
 * malformed value counts as not set, and what is not supported is ignored: each with a warning in the log that names
 * the variable, its value and what is used instead. `delay_ms` is the default of OTEL_BSP_SCHEDULE_DELAY. Returns 0 or
 * -ENOMEM; settings_done in any case.
 */
int settings_init(struct settings *s, unsigned delay_ms);
void settings_done(struct settings *s);

#endif
