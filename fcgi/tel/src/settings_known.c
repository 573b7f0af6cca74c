/* SPDX-License-Identifier: MIT */
/* Variables that are set and have no effect. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/ascii.h"
#include "tel/src/settings_read.h"

static const char *const read_elsewhere[] = {
	"OTEL_SDK_DISABLED",
	"OTEL_SERVICE_NAME",
	"OTEL_RESOURCE_ATTRIBUTES",
	"OTEL_PROPAGATORS",
	"OTEL_LOG_LEVEL",
	"OTEL_TRACES_SAMPLER",
	"OTEL_TRACES_SAMPLER_ARG",
	"OTEL_BSP_SCHEDULE_DELAY",
	"OTEL_BSP_EXPORT_TIMEOUT",
	"OTEL_BSP_MAX_QUEUE_SIZE",
	"OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
	"OTEL_BLRP_SCHEDULE_DELAY",
	"OTEL_BLRP_EXPORT_TIMEOUT",
	"OTEL_BLRP_MAX_QUEUE_SIZE",
	"OTEL_BLRP_MAX_EXPORT_BATCH_SIZE",
	"OTEL_METRIC_EXPORT_INTERVAL",
	"OTEL_METRIC_EXPORT_TIMEOUT",
	"OTEL_METRICS_EXEMPLAR_FILTER",
	"OTEL_ATTRIBUTE_COUNT_LIMIT",
	"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
	"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
	"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
	"OTEL_SPAN_EVENT_COUNT_LIMIT",
	"OTEL_SPAN_LINK_COUNT_LIMIT",
	"OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
	"OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", /* links have no attributes here, so any limit holds */
};

#define FOR_GRPC "it is for OTLP/gRPC, which is not supported"
#define BY_SCHEME "the scheme of the endpoint"
#define NO_FILE "no configuration file is read"
#define NO_SERVER "the library listens nowhere: the program serves what tel_metrics_write writes"

/* Variables of the specification of which at most one value is what happens here. */
static const struct {
	const char *name;
	const char *only; /* or NULL */
	const char *reason, *used;
} without_effect[] = {
	{"OTEL_CONFIG_FILE", NULL, NO_FILE, "the environment"},
	{"OTEL_EXPERIMENTAL_CONFIG_FILE", NULL, NO_FILE, "the environment"},
	{"OTEL_EXPORTER_OTLP_INSECURE", NULL, FOR_GRPC, BY_SCHEME},
	{"OTEL_EXPORTER_OTLP_TRACES_INSECURE", NULL, FOR_GRPC, BY_SCHEME},
	{"OTEL_EXPORTER_OTLP_METRICS_INSECURE", NULL, FOR_GRPC, BY_SCHEME},
	{"OTEL_EXPORTER_OTLP_LOGS_INSECURE", NULL, FOR_GRPC, BY_SCHEME},
	{"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "cumulative", "nothing else is supported", "cumulative"},
	{"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "explicit_bucket_histogram",
	 "nothing else is supported", "explicit_bucket_histogram"},
	{"OTEL_EXPORTER_PROMETHEUS_HOST", NULL, NO_SERVER, "nothing"},
	{"OTEL_EXPORTER_PROMETHEUS_PORT", NULL, NO_SERVER, "nothing"},
};

static bool is_read(const char *name)
{
	for (size_t i = 0; i < sizeof(read_elsewhere) / sizeof(*read_elsewhere); i++)
		if (strcmp(read_elsewhere[i], name) == 0)
			return true;
	return settings_is_exporter_variable(name);
}

static void warn_of(const char *name, const char *value)
{
	for (size_t i = 0; i < sizeof(without_effect) / sizeof(*without_effect); i++) {
		if (strcmp(without_effect[i].name, name) != 0)
			continue;
		if (!without_effect[i].only || !ascii_same(value, without_effect[i].only))
			setting_ignored(name, value, without_effect[i].reason, without_effect[i].used);
		return;
	}
	setting_ignored(name, NULL, "no such variable is supported", "nothing"); /* whose value may be anything */
}

void settings_warn_of_others(void)
{
	for (char **variable = environ; *variable; variable++) {
		char name[128];
		const char *value = strchr(*variable, '=');
		int bytes = value ? (int)(value - *variable) : 0;

		if (strncmp(*variable, "OTEL_", 5) != 0 || !value || !value[1])
			continue;
		snprintf(name, sizeof(name), "%.*s", bytes, *variable);
		if (!is_read(name))
			warn_of(name, value + 1);
	}
}
