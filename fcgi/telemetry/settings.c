#include "telemetry/settings.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/env.h"

#define DEFAULT_ENDPOINT "http://localhost:4318"
#define TRACES_PATH "/v1/traces"

static char *format(const char *first, const char *second)
{
	char *text;

	if (asprintf(&text, "%s%s", first, second) < 0)
		abort();
	return text;
}

/* The value for traces, otherwise that for all signals, otherwise NULL; `*name` is the variable that it is of. */
static const char *exporter_setting(const char *for_traces, const char *for_all, const char **name)
{
	const char *value = env_string(for_traces, NULL);

	*name = value ? for_traces : for_all;
	return value ? value : env_string(for_all, NULL);
}

static void read_sampler(struct settings *s)
{
	const char *name = env_string("OTEL_TRACES_SAMPLER", NULL);
	const char *ratio = env_string("OTEL_TRACES_SAMPLER_ARG", NULL);

	if (!sampler_parse(name, ratio, &s->sampler))
		fprintf(stderr,
			"OTEL_TRACES_SAMPLER=\"%s\" with OTEL_TRACES_SAMPLER_ARG=\"%s\" is not understood, using %s\n",
			name, ratio ? ratio : "", s->sampler.parent_based ? "parentbased_always_on" : "always_on");
}

static bool is_http_url(const char *url)
{
	size_t scheme = strncasecmp(url, "http://", 7) == 0 ? 7 : strncasecmp(url, "https://", 8) == 0 ? 8 : 0;

	if (!scheme || !url[scheme] || url[scheme] == '/')
		return false;
	for (const char *c = url; *c; c++)
		if (*c <= ' ' || *c > '~')
			return false;
	return true;
}

/* The endpoint for all signals gets a path for traces; the one for traces is used as it is. */
static void read_url(struct settings *s)
{
	const char *base = DEFAULT_ENDPOINT;
	const char *name;
	const char *value = exporter_setting("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT",
					     &name);

	if (value && !is_http_url(value)) {
		fprintf(stderr, "%s=\"%s\" is not an http or https URL, using %s\n", name, value, base);
	} else if (value && strstr(name, "TRACES")) {
		s->url = format(value, "");
		return;
	} else if (value) {
		base = value;
	}
	bool has_slash = base[strlen(base) - 1] == '/';
	s->url = format(base, &TRACES_PATH[has_slash]);
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

static void read_headers(struct settings *s)
{
	const char *name;
	const char *value = exporter_setting("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS", &name);

	if (!value)
		return;
	s->headers_text = format(value, "");
	/* the values may be credentials: they are not shown */
	bool valid = pairs_parse(s->headers_text, s->headers, &s->header_count);
	for (size_t i = 0; valid && i < s->header_count; i++)
		valid = is_http_field(&s->headers[i]);
	if (!valid) {
		fprintf(stderr, "%s is not of the form name=value,name=value: ignored\n", name);
		s->header_count = 0;
	}
}

static void read_compression(struct settings *s)
{
	const char *name;
	const char *value = exporter_setting("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "OTEL_EXPORTER_OTLP_COMPRESSION",
					     &name);

	s->gzip = value && strcasecmp(value, "gzip") == 0;
	if (value && !s->gzip && strcasecmp(value, "none") != 0)
		fprintf(stderr, "%s=\"%s\" is neither gzip nor none, using none\n", name, value);
}

static void read_limits(struct settings *s)
{
	const char *name;

	exporter_setting("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT", &name);
	s->request_timeout_ms = (unsigned)env_long(name, 10000, 1, INT_MAX);
	s->schedule_delay_ms = (unsigned)env_long("OTEL_BSP_SCHEDULE_DELAY", 5000, 0, INT_MAX);
	s->export_timeout_ms = (unsigned)env_long("OTEL_BSP_EXPORT_TIMEOUT", 30000, 1, INT_MAX);
	s->queue_spans = (size_t)env_long("OTEL_BSP_MAX_QUEUE_SIZE", 2048, 1, 1 << 20);
	s->batch_spans = (size_t)env_long("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512, 1, 1 << 20);
	if (s->schedule_delay_ms == 0)
		s->schedule_delay_ms = 1; /* at once, but not in a busy loop */
	if (s->batch_spans > s->queue_spans)
		s->batch_spans = s->queue_spans;
}

void settings_init(struct settings *s)
{
	*s = (struct settings){.disabled = env_bool("OTEL_SDK_DISABLED")};
	read_sampler(s);
	read_url(s);
	read_headers(s);
	read_compression(s);
	read_limits(s);
}

void settings_done(struct settings *s)
{
	free(s->url);
	free(s->headers_text);
	*s = (struct settings){0};
}
