#include "telemetry/telemetry.h"

#include <curl/curl.h>

#include "base/clock.h"
#include "telemetry/batch.h"
#include "telemetry/export.h"
#include "telemetry/log.h"
#include "telemetry/metrics.h"
#include "telemetry/resource.h"
#include "telemetry/span.h"

static struct settings settings;
static bool enabled, exports;

/* Memory, threads, and the log last: what comes before it warns on stderr. */
int tel_init(const struct tel_config *config)
{
	settings_init(&settings);
	enabled = !settings.disabled;
	resource_init(config->service_name);
	metrics_init(enabled);
	int error = log_start(config->log_name ? config->log_name : resource_service_name());
	if (error) {
		settings_done(&settings);
		enabled = false;
		return error;
	}

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
