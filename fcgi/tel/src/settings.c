/* SPDX-License-Identifier: MIT */
#include "tel/src/settings.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/ascii.h"
#include "base/env.h"
#include "tel/src/log_level.h"
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
	s->export_timeout_ms = setting_timeout("OTEL_BSP_EXPORT_TIMEOUT", 30000);
	read_sizes("OTEL_BLRP_MAX_QUEUE_SIZE", "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", &s->log_queue, &s->log_batch);
	s->log_delay_ms = read_delay("OTEL_BLRP_SCHEDULE_DELAY", 1000);
	s->log_timeout_ms = setting_timeout("OTEL_BLRP_EXPORT_TIMEOUT", 30000);
	s->metric_interval_ms = read_delay("OTEL_METRIC_EXPORT_INTERVAL", 60000);
	s->metric_timeout_ms = setting_timeout("OTEL_METRIC_EXPORT_TIMEOUT", 30000);
}

/* ---- limits, and what crosses process boundaries ---- */

static void read_span_limits(struct span_limits *limits)
{
	const struct span_limits defaults = SPAN_LIMITS_DEFAULT;
	const long max = INT_MAX;
	long count = setting_number("OTEL_ATTRIBUTE_COUNT_LIMIT", defaults.attributes, 0, max);
	long characters = setting_number("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", SETTING_NO_LIMIT, 0, max);

	*limits = (struct span_limits){
		.attributes = (unsigned)setting_number("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", count, 0, max),
		.events = (unsigned)setting_number("OTEL_SPAN_EVENT_COUNT_LIMIT", defaults.events, 0, max),
		.links = (unsigned)setting_number("OTEL_SPAN_LINK_COUNT_LIMIT", defaults.links, 0, max),
		.event_attributes = (unsigned)setting_number("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", count, 0, max),
		.characters = (uint32_t)setting_number("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", characters, 0, max),
	};
}

static unsigned read_propagators(void)
{
	static const char *const names[] = {"none", "tracecontext", "baggage", NULL};
	_Static_assert(PROPAGATE_TRACECONTEXT == 1 << 1 && PROPAGATE_BAGGAGE == 1 << 2, "the order of the names");

	return setting_list("OTEL_PROPAGATORS", names, PROPAGATE_TRACECONTEXT | PROPAGATE_BAGGAGE,
			    "tracecontext, baggage") &
	       (PROPAGATE_TRACECONTEXT | PROPAGATE_BAGGAGE);
}

/* An exemplar names a span, so that a measurement outside of a sampled one cannot be one. */
static bool read_exemplar_filter(void)
{
	static const char variable[] = "OTEL_METRICS_EXEMPLAR_FILTER";
	const char *value = env_string(variable, "trace_based");

	if (!ascii_same(value, "trace_based") && !ascii_same(value, "always_off"))
		setting_ignored(variable, value, "what is supported is trace_based, always_off", "trace_based");
	return !ascii_same(value, "always_off");
}

/* It is read with the log, which is there before the settings are. */
static void check_log_levels(void)
{
	static const char lines[] = "LOG_LEVEL", complaints[] = "OTEL_LOG_LEVEL";
	const char *value = env_string(lines, NULL);
	unsigned level;

	if (value && !log_level_parse(value, &level))
		setting_ignored(lines, value, "it is none of debug, info, warn, error", "info");
	value = env_string(complaints, NULL);
	if (value && !log_level_parse_complaints(value, &level))
		setting_ignored(complaints, value, "it is none of debug, info, warn, error, none", "LOG_LEVEL");
}

int settings_init(struct settings *s, unsigned delay_ms)
{
	const char *disabled = env_string("OTEL_SDK_DISABLED", "false");

	*s = (struct settings){.disabled = env_bool("OTEL_SDK_DISABLED")};
	if (!s->disabled && !ascii_same(disabled, "false"))
		setting_ignored("OTEL_SDK_DISABLED", disabled, "it is neither true nor false", "false");
	read_sampler(s);
	settings_read_exporters(s);
	read_batches(s, delay_ms);
	read_span_limits(&s->span_limits);
	s->propagators = read_propagators();
	s->exemplars = read_exemplar_filter();
	check_log_levels();
	settings_warn_of_others();
	return s->failed ? -ENOMEM : 0;
}

void settings_done(struct settings *s)
{
	settings_done_exporters(s);
	*s = (struct settings){0};
}
