/* SPDX-License-Identifier: MIT */
/*
 * The OTEL_* environment that the library honours (OpenTelemetry specification, "Environment Variable Specification"
 * and "OpenTelemetry Protocol Exporter"). Internal to tel/.
 */
#ifndef TEL_SETTINGS_H
#define TEL_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "tel/src/pairs.h"
#include "tel/src/sampler.h"
#include "tel/src/signal.h"
#include "tel/src/span.h"

/* How one signal leaves: OTEL_EXPORTER_OTLP_<SIGNAL>_… where that can be used, else OTEL_EXPORTER_OTLP_…. */
struct exporter_settings {
	bool otlp;                      /* OTEL_<SIGNAL>_EXPORTER has otlp: traces do by default */
	char *url;                      /* …_ENDPOINT, with the signal's path */
	struct pair headers[PAIRS_MAX]; /* …_HEADERS: field names and values that HTTP allows */
	size_t header_count;
	char *headers_text;  /* what `headers` point into */
	unsigned timeout_ms; /* …_TIMEOUT: of one attempt */
	bool gzip;           /* …_COMPRESSION */
	char *certificate; /* …_CERTIFICATE: a file of those that may vouch for the collector; NULL for the system's */
	char *client_certificate, *client_key; /* …_CLIENT_CERTIFICATE, …_CLIENT_KEY: files, or NULL */
	tel_send *send;                        /* tel_config.send; NULL if libcurl sends */
	void *send_arg;
};

struct settings {
	bool failed;                 /* memory was short */
	bool disabled;               /* OTEL_SDK_DISABLED */
	bool prometheus;             /* OTEL_METRICS_EXPORTER has prometheus, as it does by default */
	struct sampler sampler;      /* OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG */
	size_t queue_spans;          /* OTEL_BSP_MAX_QUEUE_SIZE */
	size_t batch_spans;          /* OTEL_BSP_MAX_EXPORT_BATCH_SIZE, not more than the queue */
	unsigned schedule_delay_ms;  /* OTEL_BSP_SCHEDULE_DELAY */
	unsigned export_timeout_ms;  /* OTEL_BSP_EXPORT_TIMEOUT: of a batch with all its retries */
	size_t log_queue, log_batch; /* OTEL_BLRP_…: the same for log records */
	unsigned log_delay_ms, log_timeout_ms;
	unsigned metric_interval_ms;    /* OTEL_METRIC_EXPORT_INTERVAL */
	unsigned metric_timeout_ms;     /* OTEL_METRIC_EXPORT_TIMEOUT: of an export with all its retries */
	struct span_limits span_limits; /* OTEL_SPAN_…_LIMIT, OTEL_EVENT_…, OTEL_ATTRIBUTE_… */
	unsigned propagators;           /* OTEL_PROPAGATORS: PROPAGATE_… */
	bool exemplars;                 /* OTEL_METRICS_EXEMPLAR_FILTER is not always_off */
	struct exporter_settings signals[SIGNALS];
};

/* Lets the program's own `send` send all signals. Without it and without libcurl nothing is sent, which is logged. */
void settings_set_transport(struct settings *s, tel_send *send, void *arg);

/*
 * Reads the environment. A variable with an unknown or malformed value counts as not set, and one that is not supported
 * is ignored; one warning each in the log names the variable, its value and the value used instead. `delay_ms` is
 * the default of OTEL_BSP_SCHEDULE_DELAY. Returns 0 or -ENOMEM; settings_done in any case.
 */
int settings_init(struct settings *s, unsigned delay_ms);
void settings_done(struct settings *s);

#endif
