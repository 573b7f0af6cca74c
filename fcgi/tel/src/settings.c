/* SPDX-License-Identifier: MIT */
#include "tel/src/settings.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/env.h"
#include "base/plain.h"
#include "tel/src/settings_read.h"

#define QUEUE_MAX (1 << 20)

/* ---- the sampler ---- */

static void read_sampler(struct settings *s)
{
	const char *name = env_string("OTEL_TRACES_SAMPLER", NULL);
	const char *ratio = env_string("OTEL_TRACES_SAMPLER_ARG", NULL);

	if (!sampler_parse(name, NULL, &s->sampler))
		setting_ignored(
			"OTEL_TRACES_SAMPLER", name,
			"it is none of always_on, always_off, traceidratio, with or without parentbased_ before",
			"parentbased_always_on");
	else if (ratio && !(name && strcasestr(name, "traceidratio")))
		setting_ignored("OTEL_TRACES_SAMPLER_ARG", ratio, "the sampler takes no argument", "nothing");
	else if (!sampler_parse(name, ratio, &s->sampler))
		setting_ignored("OTEL_TRACES_SAMPLER_ARG", ratio, "it is not a number from 0 to 1", "1.0");
}

/* ---- batches ---- */

/* A delay of 0 means at once, but not in a busy loop. */
static unsigned read_delay(const char *variable, unsigned fallback)
{
	long value = setting_number(variable, fallback, 0, INT_MAX);

	return value ? (unsigned)value : 1;
}

/* `queue_variable` and `batch_variable` hold what OTEL_BSP_… and OTEL_BLRP_… have in common. */
static void read_sizes(const char *queue_variable, const char *batch_variable, size_t *queue, size_t *batch)
{
	char reason[96];

	*queue = (size_t)setting_number(queue_variable, 2048, 1, QUEUE_MAX);
	*batch = (size_t)setting_number(batch_variable, 512, 1, QUEUE_MAX);
	if (*batch <= *queue)
		return;
	*batch = *queue;
	if (!env_string(batch_variable, NULL))
		return;
	snprintf(reason, sizeof(reason), "it is more than the queue, %s, holds", queue_variable);
	setting_ignored(batch_variable, env_string(batch_variable, NULL), reason, "that size");
}

static void read_batches(struct settings *s, unsigned delay_ms)
{
	read_sizes("OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", &s->queue_spans, &s->batch_spans);
	s->schedule_delay_ms = read_delay("OTEL_BSP_SCHEDULE_DELAY", delay_ms);
	s->export_timeout_ms = setting_time_out("OTEL_BSP_EXPORT_TIMEOUT", 30000);
	read_sizes("OTEL_BLRP_MAX_QUEUE_SIZE", "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", &s->log_queue, &s->log_batch);
	s->log_delay_ms = read_delay("OTEL_BLRP_SCHEDULE_DELAY", 1000);
	s->log_timeout_ms = setting_time_out("OTEL_BLRP_EXPORT_TIMEOUT", 30000);
	s->metric_interval_ms = read_delay("OTEL_METRIC_EXPORT_INTERVAL", 60000);
	s->metric_timeout_ms = setting_time_out("OTEL_METRIC_EXPORT_TIMEOUT", 30000);
}

/* ---- what is not read ---- */

/* Variables of which one value alone is what happens here. */
static const struct {
	const char *name, *only;
} fixed[] = {
	{"OTEL_PROPAGATORS", "tracecontext,baggage"},
};

static void warn_of_fixed(void)
{
	for (size_t i = 0; i < sizeof(fixed) / sizeof(*fixed); i++) {
		const char *value = env_string(fixed[i].name, fixed[i].only);
		if (!plain_same(value, fixed[i].only))
			setting_ignored(fixed[i].name, value, "nothing else is supported", fixed[i].only);
	}
}

static bool is_known(const char *name)
{
	static const char *const known[] = {
		"OTEL_SDK_DISABLED",
		"OTEL_SERVICE_NAME",
		"OTEL_RESOURCE_ATTRIBUTES",
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
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (strcmp(known[i], name) == 0)
			return true;
	for (size_t i = 0; i < sizeof(fixed) / sizeof(*fixed); i++)
		if (strcmp(fixed[i].name, name) == 0)
			return true;
	return settings_is_exporter_variable(name);
}

/* Mistyped, or of the specification and not supported. */
static void warn_of_unknown(void)
{
	for (char **variable = environ; *variable; variable++) {
		char name[128];
		const char *value = strchr(*variable, '=');
		int bytes = value ? (int)(value - *variable) : 0;

		if (strncmp(*variable, "OTEL_", 5) != 0 || !value || !value[1])
			continue;
		snprintf(name, sizeof(name), "%.*s", bytes, *variable);
		if (!is_known(name))
			setting_ignored(name, NULL, "no such variable is supported", "nothing");
	}
}

int settings_init(struct settings *s, unsigned delay_ms)
{
	const char *disabled = env_string("OTEL_SDK_DISABLED", "false");

	*s = (struct settings){.disabled = env_bool("OTEL_SDK_DISABLED")};
	if (!s->disabled && !plain_same(disabled, "false"))
		setting_ignored("OTEL_SDK_DISABLED", disabled, "it is neither true nor false", "false");
	read_sampler(s);
	settings_read_exporters(s);
	read_batches(s, delay_ms);
	warn_of_fixed();
	warn_of_unknown();
	return s->failed ? -ENOMEM : 0;
}

void settings_done(struct settings *s)
{
	settings_done_exporters(s);
	*s = (struct settings){0};
}
