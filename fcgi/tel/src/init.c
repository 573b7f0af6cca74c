/* SPDX-License-Identifier: MIT */
#include "tel/tel.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/env.h"
#include "tel/src/batch.h"
#include "tel/src/complain.h"
#include "tel/src/exemplar.h"
#include "tel/src/export.h"
#include "tel/src/fork.h"
#include "tel/src/log.h"
#include "tel/src/metric_reader.h"
#include "tel/src/metrics.h"
#include "tel/src/misuse.h"
#include "tel/src/resource.h"
#include "tel/src/span.h"
#include "tel/src/transport.h"

/* Defaults of OTEL_BSP_SCHEDULE_DELAY: the specification's; and of programs that make batches themselves. */
#define EXPORTER_DELAY_MS 5000
#define BATCH_DELAY_MS 500

#define FAILED_LOG_MS 1000 /* to say why telemetry cannot start */

static struct settings otel_settings;
static bool initialised, telemetry_on, spans_on, exports;

const char *tel_version(void)
{
	return TEL_VERSION;
}

/* Reads all settings; starts no thread. Returns 0 or -errno. */
static int read_configuration(const struct tel_config *config)
{
	settings_done(&otel_settings); /* those of the parent of a forked child */
	int error = resource_init(config);

	if (!error)
		error = settings_init(&otel_settings, config->no_exporter ? BATCH_DELAY_MS : EXPORTER_DELAY_MS);
	if (!error && !otel_settings.disabled)
		settings_set_transport(&otel_settings, config->send, config->send_arg);
	return error;
}

static int start(const struct tel_config *config)
{
	telemetry_on = !otel_settings.disabled;
	transport_begin();
	context_configure(otel_settings.propagators);
	span_limit(&otel_settings.span_limits);
	exemplar_configure(otel_settings.exemplars);
	batch_configure(&otel_settings);
	self_metrics_init();
	spans_on = telemetry_on && otel_settings.signals[SIGNAL_TRACES].otlp;
	exports = spans_on && !config->no_exporter;
	if (!exports)
		self_queue(SIGNAL_TRACES, batch_pending_spans, NULL, otel_settings.batch_spans);
	int error = export_start(&otel_settings, exports, telemetry_on && otel_settings.signals[SIGNAL_LOGS].otlp);
	if (!error && telemetry_on && otel_settings.signals[SIGNAL_METRICS].otlp)
		error = metric_reader_start(&otel_settings);
	if (error) {
		export_stop(0);
		transport_end();
		return error;
	}
	span_configure(spans_on, &otel_settings.sampler, exports ? export_span : NULL);
	return 0;
}

/* A metric that is wrong is one that nobody has; the program is not worse for it. */
static void tell_failed_metrics(void)
{
	struct metric_failure failure;

	for (unsigned i = 0; metrics_failure(i, &failure); i++)
		complain_warn("a metric cannot be registered", tel_str("metric", failure.metric),
			      tel_str("reason", failure.reason), tel_str("other", failure.other));
}

/* The log first: it is where all that follows warns. Its name is the program's, whatever the service is called. */
/* In a forked child tel_init may be called again. */
static void forget_start(void)
{
	initialised = false;
}

int tel_init(const struct tel_config *config)
{
	if (MISUSE_NULL(config, "tel_init"))
		return -EINVAL;
	if (initialised) {
		MISUSE("tel_init", "it was called before");
		return -EALREADY;
	}
	const char *log_name = config->log_name ? config->log_name : config->service_name;
	log_configure(config);
	metrics_init(!env_bool("OTEL_SDK_DISABLED"));
	int error = log_start(log_name ? log_name : program_invocation_short_name);

	if (error)
		return error;
	error = read_configuration(config);
	if (!error)
		error = fork_watch(forget_start);
	if (!error)
		error = start(config);
	if (error) {
		complain_error("telemetry cannot start", tel_str("reason", strerror(-error)));
		telemetry_on = false;
		batch_configure(NULL);
		settings_done(&otel_settings);
		log_stop(FAILED_LOG_MS);
		return error;
	}
	initialised = true;
	tell_failed_metrics();
	return 0;
}

/* Returns how much of `budget_ms` is left since `begin_ns`. */
static unsigned left_of(unsigned budget_ms, uint64_t begin_ns)
{
	uint64_t spent_ms = (clock_monotonic_ns() - begin_ns) / NS_PER_MS;

	return spent_ms < budget_ms ? budget_ms - (unsigned)spent_ms : 0;
}

/* Metrics come after spans and log records, whose fate they tell, and the log comes last. */
void tel_shutdown(unsigned budget_ms)
{
	uint64_t begin_ns = clock_monotonic_ns();
	const unsigned export_ms = budget_ms / 4 * 3; /* the rest is for the log */

	export_stop(otel_settings.signals[SIGNAL_METRICS].otlp ? budget_ms / 2 : export_ms);
	span_configure(false, &otel_settings.sampler,
		       exports ? export_span : NULL); /* which counts those that end now */
	metric_reader_stop(left_of(export_ms, begin_ns));
	initialised = telemetry_on = false;
	log_stop(left_of(budget_ms, begin_ns));
	batch_configure(NULL);
	settings_done(&otel_settings);
	transport_end();
}

bool tel_enabled(void)
{
	return telemetry_on;
}

unsigned tel_batch_delay_ms(void)
{
	return otel_settings.schedule_delay_ms;
}
