/* SPDX-License-Identifier: MIT */
#include "tel/tel.h"

#include <curl/curl.h>

#include "base/clock.h"
#include "base/env.h"
#include "tel/src/batch.h"
#include "tel/src/export.h"
#include "tel/src/log.h"
#include "tel/src/metrics.h"
#include "tel/src/resource.h"
#include "tel/src/span.h"

/* Defaults of OTEL_BSP_SCHEDULE_DELAY: the specification's; and of programs that make batches themselves. */
#define EXPORTER_DELAY_MS 5000
#define BATCH_DELAY_MS 500

static struct settings settings;
static bool enabled, exports;

/* The log first: it is where all that follows warns. Its name is the program's, whatever the service is called. */
int tel_init(const struct tel_config *config)
{
	metrics_init(!env_bool("OTEL_SDK_DISABLED"));
	int error = log_start(config->log_name ? config->log_name : config->service_name);
	if (error)
		return error;
	resource_init(config->service_name);
	settings_init(&settings, config->no_exporter ? BATCH_DELAY_MS : EXPORTER_DELAY_MS);
	enabled = !settings.disabled;

	curl_global_init(CURL_GLOBAL_DEFAULT);
	batch_configure(&settings);
	self_metrics_init();
	exports = enabled && !config->no_exporter;
	if (exports)
		export_start(&settings);
	self_queue(exports ? export_queued : batch_pending, exports ? settings.queue_spans : settings.batch_spans);
	span_configure(enabled, &settings.sampler, exports ? export_span : NULL);
	return 0;
}

void tel_shutdown(unsigned budget_ms)
{
	uint64_t begin_ns = clock_monotonic_ns();

	export_stop(budget_ms / 4 * 3);                                         /* the rest is for the log */
	span_configure(false, &settings.sampler, exports ? export_span : NULL); /* which counts those that end now */
	enabled = false;
	uint64_t spent_ms = (clock_monotonic_ns() - begin_ns) / 1000000;
	log_stop(spent_ms < budget_ms ? budget_ms - (unsigned)spent_ms : 0);
	settings_done(&settings);
	curl_global_cleanup();
}

bool tel_enabled(void)
{
	return enabled;
}

unsigned tel_batch_delay_ms(void)
{
	return settings.schedule_delay_ms;
}
