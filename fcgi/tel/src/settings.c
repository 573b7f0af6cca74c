/* SPDX-License-Identifier: MIT */
#include "tel/src/settings.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/env.h"
#include "base/plain.h"
#include "tel/tel.h"

#define DEFAULT_ENDPOINT "http://localhost:4318"
#define TRACES_PATH "/v1/traces"
#define SPANS_MAX (1 << 20)

/* A copy of the three texts in a row; without memory *to stays as it is, and the settings have failed. */
static void replace(struct settings *s, char **to, const char *first, size_t first_bytes, const char *second,
		    const char *third)
{
	size_t bytes = first_bytes + strlen(second) + strlen(third) + 1;
	char *text = malloc(bytes);

	if (!text) {
		s->failed = true;
		return;
	}
	snprintf(text, bytes, "%.*s%s%s", (int)first_bytes, first, second, third);
	free(*to);
	*to = text;
}

/* `value` is not shown where it may hold a secret: NULL. */
static void ignored(const char *variable, const char *value, const char *reason, const char *used)
{
	tel_warn("a setting cannot be used", tel_str("variable", variable),
		 tel_str("value", value ? value : "(hidden)"), tel_str("reason", reason), tel_str("used", used));
}

/* ---- the sampler ---- */

static void read_sampler(struct settings *s)
{
	const char *name = env_string("OTEL_TRACES_SAMPLER", NULL);
	const char *ratio = env_string("OTEL_TRACES_SAMPLER_ARG", NULL);

	if (!sampler_parse(name, NULL, &s->sampler))
		ignored("OTEL_TRACES_SAMPLER", name,
			"it is none of always_on, always_off, traceidratio, with or without parentbased_ before",
			"parentbased_always_on");
	else if (ratio && !(name && strcasestr(name, "traceidratio")))
		ignored("OTEL_TRACES_SAMPLER_ARG", ratio, "the sampler takes no argument", "nothing");
	else if (!sampler_parse(name, ratio, &s->sampler))
		ignored("OTEL_TRACES_SAMPLER_ARG", ratio, "it is not a number from 0 to 1", "1.0");
}

/* ---- the exporter: each variable for all signals, and then that for traces, which wins where it can be used ---- */

/* `path` comes before a query that the URL may have. */
static void read_one_url(struct settings *s, const char *name, const char *path)
{
	const char *value = env_string(name, NULL);

	if (value && !env_is_url(value)) {
		ignored(name, strchr(value, '@') ? NULL : value, "it is not an http or https URL", s->url);
	} else if (value) {
		size_t bytes = strcspn(value, "?#");
		const char *query = value + bytes;
		if (*path && value[bytes - 1] == '/')
			bytes--;
		replace(s, &s->url, value, bytes, path, *query == '?' ? query : "");
	}
}

/* The endpoint for all signals gets a path for traces; the one for traces is used as it is. */
static void read_url(struct settings *s)
{
	replace(s, &s->url, DEFAULT_ENDPOINT, strlen(DEFAULT_ENDPOINT), TRACES_PATH, "");
	read_one_url(s, "OTEL_EXPORTER_OTLP_ENDPOINT", TRACES_PATH);
	read_one_url(s, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "");
}

/* RFC 9110, section 5: a token, and visible characters with spaces and tabs between them. */
static bool is_http_field(const struct pair *header)
{
	for (const char *c = header->key; *c; c++)
		if (*c <= ' ' || *c > '~' || strchr("\"(),/:;<=>?@[\\]{}", *c))
			return false;
	for (const unsigned char *c = (const unsigned char *)header->value; *c; c++)
		if ((*c < ' ' && *c != '\t') || *c == 0x7f)
			return false;
	return true;
}

static bool parse_headers(char *text, struct pair headers[PAIRS_MAX], size_t *count)
{
	bool valid = pairs_parse(text, headers, count);

	for (size_t i = 0; valid && i < *count; i++)
		valid = is_http_field(&headers[i]);
	return valid;
}

static void read_one_headers(struct settings *s, const char *name)
{
	const char *value = env_string(name, NULL);
	struct pair headers[PAIRS_MAX];
	size_t count;

	if (!value)
		return;
	char *text = NULL;
	replace(s, &text, value, strlen(value), "", "");
	if (!text)
		return;
	if (!parse_headers(text, headers, &count)) {
		free(text);
		ignored(name, NULL, "it is not of the form name=value,name=value",
			s->header_count ? "those of OTEL_EXPORTER_OTLP_HEADERS" : "none");
		return;
	}
	free(s->headers_text);
	s->headers_text = text;
	s->header_count = count;
	memcpy(s->headers, headers, count * sizeof(*headers));
}

static void read_one_compression(struct settings *s, const char *name)
{
	const char *value = env_string(name, "");

	if (plain_same(value, "gzip") || plain_same(value, "none"))
		s->gzip = plain_same(value, "gzip");
	else if (*value)
		ignored(name, value, "it is neither gzip nor none", s->gzip ? "gzip" : "none");
}

/* ---- numbers ---- */

static long read_number(const char *name, long fallback, long min, long max)
{
	const char *text = env_string(name, NULL);
	char reason[64], used[24];
	long value = fallback;

	if (text && !env_parse_number(text, min, max, &value)) {
		snprintf(reason, sizeof(reason), "it is not a whole number from %ld to %ld", min, max);
		snprintf(used, sizeof(used), "%ld", fallback);
		ignored(name, text, reason, used);
	}
	return value;
}

/* Milliseconds; 0 means without limit, as the specification says of time-outs. */
static long read_time_out(const char *name, long fallback)
{
	long value = read_number(name, fallback, 0, INT_MAX);

	return value ? value : INT_MAX;
}

static void read_limits(struct settings *s, unsigned delay_ms)
{
	const char *batch = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE";
	long time_out = read_time_out("OTEL_EXPORTER_OTLP_TIMEOUT", 10000);

	s->request_timeout_ms = (unsigned)read_time_out("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", time_out);
	s->export_timeout_ms = (unsigned)read_time_out("OTEL_BSP_EXPORT_TIMEOUT", 30000);
	s->schedule_delay_ms = (unsigned)read_number("OTEL_BSP_SCHEDULE_DELAY", delay_ms, 0, INT_MAX);
	s->queue_spans = (size_t)read_number("OTEL_BSP_MAX_QUEUE_SIZE", 2048, 1, SPANS_MAX);
	s->batch_spans = (size_t)read_number(batch, 512, 1, SPANS_MAX);
	if (s->schedule_delay_ms == 0)
		s->schedule_delay_ms = 1; /* at once, but not in a busy loop */
	if (s->batch_spans <= s->queue_spans)
		return;
	s->batch_spans = s->queue_spans;
	if (env_string(batch, NULL))
		ignored(batch, env_string(batch, NULL), "it is more than the queue, OTEL_BSP_MAX_QUEUE_SIZE, holds",
			"that size");
}

/* ---- what is not read ---- */

/* Variables of which one value alone is what happens here. */
static const struct {
	const char *name, *only;
} fixed[] = {
	{"OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"},
	{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"},
	{"OTEL_TRACES_EXPORTER", "otlp"},
	{"OTEL_METRICS_EXPORTER", "prometheus"},
	{"OTEL_LOGS_EXPORTER", "none"},
	{"OTEL_PROPAGATORS", "tracecontext,baggage"},
};

static void warn_of_fixed(void)
{
	for (size_t i = 0; i < sizeof(fixed) / sizeof(*fixed); i++) {
		const char *value = env_string(fixed[i].name, fixed[i].only);
		if (!plain_same(value, fixed[i].only))
			ignored(fixed[i].name, value, "nothing else is supported", fixed[i].only);
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
		"OTEL_EXPORTER_OTLP_ENDPOINT",
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
		"OTEL_EXPORTER_OTLP_HEADERS",
		"OTEL_EXPORTER_OTLP_TRACES_HEADERS",
		"OTEL_EXPORTER_OTLP_COMPRESSION",
		"OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
		"OTEL_EXPORTER_OTLP_TIMEOUT",
		"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
		"OTEL_BSP_SCHEDULE_DELAY",
		"OTEL_BSP_EXPORT_TIMEOUT",
		"OTEL_BSP_MAX_QUEUE_SIZE",
		"OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (strcmp(known[i], name) == 0)
			return true;
	for (size_t i = 0; i < sizeof(fixed) / sizeof(*fixed); i++)
		if (strcmp(fixed[i].name, name) == 0)
			return true;
	return false;
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
			ignored(name, NULL, "no such variable is supported", "nothing");
	}
}

int settings_init(struct settings *s, unsigned delay_ms)
{
	const char *disabled = env_string("OTEL_SDK_DISABLED", "false");

	*s = (struct settings){.disabled = env_bool("OTEL_SDK_DISABLED")};
	if (!s->disabled && !plain_same(disabled, "false"))
		ignored("OTEL_SDK_DISABLED", disabled, "it is neither true nor false", "false");
	read_sampler(s);
	read_url(s);
	read_one_headers(s, "OTEL_EXPORTER_OTLP_HEADERS");
	read_one_headers(s, "OTEL_EXPORTER_OTLP_TRACES_HEADERS");
	read_one_compression(s, "OTEL_EXPORTER_OTLP_COMPRESSION");
	read_one_compression(s, "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION");
	read_limits(s, delay_ms);
	warn_of_fixed();
	warn_of_unknown();
	return s->failed ? -ENOMEM : 0;
}

void settings_done(struct settings *s)
{
	free(s->url);
	free(s->headers_text);
	*s = (struct settings){0};
}
