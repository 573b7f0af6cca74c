/* SPDX-License-Identifier: MIT */
/* The exporters: each variable for all signals, and then that of the signal, which wins where it can be used. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/ascii.h"
#include "base/env.h"
#include "base/slice.h"
#include "tel/src/complain.h"
#include "tel/src/settings.h"
#include "tel/src/settings_read.h"
#include "tel/tel.h"

#define DEFAULT_ENDPOINT "http://localhost:4318"
#define DEFAULT_TIMEOUT_MS 10000
#define OTLP_PREFIX "OTEL_EXPORTER_OTLP_"
#define VARIABLE_SIZE 64 /* bytes of a variable's name */

static const struct {
	const char *name, *path;
} signal_names[SIGNALS] = {
	[SIGNAL_TRACES] = {"TRACES_", "/v1/traces"},
	[SIGNAL_METRICS] = {"METRICS_", "/v1/metrics"},
	[SIGNAL_LOGS] = {"LOGS_", "/v1/logs"},
};

/* Values as they are in the environment, which owns them. */
struct otlp_values {
	const char *headers, *certificate, *client_certificate, *client_key; /* NULL if they are not set */
	unsigned timeout_ms;
	bool gzip;
};

/* OTEL_EXPORTER_OTLP_, the signal's name ("": for all signals), what is set. */
static const char *variable_of(char name[VARIABLE_SIZE], const char *signal, const char *what)
{
	snprintf(name, VARIABLE_SIZE, OTLP_PREFIX "%s%s", signal, what);
	return name;
}

static void replace_text(struct settings *s, char **to, char *text)
{
	s->failed |= !text;
	if (!text)
		return;
	free(*to);
	*to = text;
}

/* ---- where to ---- */

/* Returns NULL if it is not set, or is no URL, which is logged together with `used`, the value used instead. */
static const char *read_endpoint(const char *variable, const char *used)
{
	const char *value = env_string(variable, NULL);

	if (!value || env_is_url(value))
		return value;
	setting_ignored(variable, strchr(value, '@') ? NULL : value, "it is not an http or https URL", used);
	return NULL;
}

/* Adds `path` before a query that the URL may have, and drops a fragment. Returns NULL if memory is short. */
static char *make_url(const char *endpoint, const char *path)
{
	size_t bytes = strcspn(endpoint, "?#");
	const char *query = endpoint[bytes] == '?' ? endpoint + bytes : "";
	size_t query_bytes = strcspn(query, "#");

	if (*path && endpoint[bytes - 1] == '/')
		bytes--;
	size_t size = bytes + strlen(path) + query_bytes + 1;
	char *url = malloc(size);
	if (url)
		snprintf(url, size, "%.*s%s%.*s", (int)bytes, endpoint, path, (int)query_bytes, query);
	return url;
}

/* The endpoint for all signals gets the signal's path; that of the signal is used as it is. */
static void read_url(struct settings *s, enum signal signal, const char *endpoint)
{
	struct exporter_settings *out = &s->signals[signal];
	char name[VARIABLE_SIZE];

	replace_text(s, &out->url, make_url(endpoint, signal_names[signal].path));
	const char *own = read_endpoint(variable_of(name, signal_names[signal].name, "ENDPOINT"), out->url);
	if (own)
		replace_text(s, &out->url, make_url(own, ""));
}

/* ---- header fields ---- */

/* RFC 9110, section 5: a token, and visible characters with spaces and tabs between them. */
static bool is_http_field(const struct pair *header)
{
	if (!slice_is_token((struct slice){header->key, strlen(header->key)}))
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

static void read_headers(struct settings *s, const char *variable, const char **headers)
{
	const char *value = env_string(variable, NULL);
	struct pair pairs[PAIRS_MAX];
	size_t count;

	if (!value)
		return;
	char *text = strdup(value);
	if (!text)
		s->failed = true;
	else if (parse_headers(text, pairs, &count))
		*headers = value;
	else
		setting_ignored(variable, NULL, "it is not of the form name=value,name=value",
				*headers ? "those of " OTLP_PREFIX "HEADERS" : "none");
	free(text);
}

/* ---- the rest ---- */

static void read_compression(const char *variable, bool *gzip)
{
	const char *value = env_string(variable, "");

#ifdef TEL_NO_GZIP
	if (ascii_same(value, "gzip")) {
		setting_ignored(variable, value, "the library was built without zlib", "none");
		return;
	}
#endif
	if (ascii_same(value, "gzip") || ascii_same(value, "none"))
		*gzip = ascii_same(value, "gzip");
	else if (*value)
		setting_ignored(variable, value, "it is neither gzip nor none", *gzip ? "gzip" : "none");
}

static void read_protocol(const char *variable)
{
	const char *value = env_string(variable, "http/protobuf");

	if (!ascii_same(value, "http/protobuf"))
		setting_ignored(variable, value, "nothing else is supported", "http/protobuf");
}

/*
 * A file of TLS. One that cannot be read stays set: without it the collector is not the one that was meant, or does not
 * know this program; and it may be there later, since it is read with each connection.
 */
static const char *read_file_name(const char *variable, const char *fallback)
{
	const char *path = env_string(variable, NULL);
	char byte;

	if (!path)
		return fallback;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, &byte, 1) < 0)
		setting_ignored(variable, path, strerror(errno), "no collector, until it can be read");
	if (fd >= 0)
		close(fd);
	return path;
}

/* Variables that are set for this signal, or for all signals if it is "", replace the members of `values`. */
static void read_values(struct settings *s, const char *signal, struct otlp_values *values)
{
	char name[VARIABLE_SIZE];

	read_headers(s, variable_of(name, signal, "HEADERS"), &values->headers);
	read_compression(variable_of(name, signal, "COMPRESSION"), &values->gzip);
	read_protocol(variable_of(name, signal, "PROTOCOL"));
	values->timeout_ms = setting_timeout(variable_of(name, signal, "TIMEOUT"), values->timeout_ms);
	values->certificate = read_file_name(variable_of(name, signal, "CERTIFICATE"), values->certificate);
	values->client_certificate = read_file_name(variable_of(name, signal, "CLIENT_CERTIFICATE"),
						    values->client_certificate);
	values->client_key = read_file_name(variable_of(name, signal, "CLIENT_KEY"), values->client_key);
}

static void keep_text(struct settings *s, char **to, const char *value)
{
	if (value)
		replace_text(s, to, strdup(value));
}

static void keep_values(struct settings *s, struct exporter_settings *out, const struct otlp_values *values)
{
	out->timeout_ms = values->timeout_ms;
	out->gzip = values->gzip;
	keep_text(s, &out->certificate, values->certificate);
	keep_text(s, &out->client_certificate, values->client_certificate);
	keep_text(s, &out->client_key, values->client_key);
	keep_text(s, &out->headers_text, values->headers);
	if (out->headers_text) /* it was parsed before */
		parse_headers(out->headers_text, out->headers, &out->header_count);
}

/* ---- which exporters ---- */

/* By default traces are sent, metrics are fetched, and logs are the lines that are written in any case. */
static void read_selection(struct settings *s)
{
	static const char *const metrics_by[] = {"none", "otlp", "prometheus", NULL};
	static const char *const others_by[] = {"none", "otlp", NULL};
	enum { NONE = 1, OTLP = 2, PROMETHEUS = 4 };

	s->signals[SIGNAL_TRACES].otlp = setting_list("OTEL_TRACES_EXPORTER", others_by, OTLP, "otlp") & OTLP;
	s->signals[SIGNAL_LOGS].otlp = setting_list("OTEL_LOGS_EXPORTER", others_by, NONE, "none") & OTLP;
	unsigned chosen = setting_list("OTEL_METRICS_EXPORTER", metrics_by, PROMETHEUS, "prometheus");
	s->signals[SIGNAL_METRICS].otlp = chosen & OTLP;
	s->prometheus = chosen & PROMETHEUS;
}

void settings_read_exporters(struct settings *s)
{
	const char *endpoint = read_endpoint(OTLP_PREFIX "ENDPOINT", DEFAULT_ENDPOINT);
	struct otlp_values common = {.timeout_ms = DEFAULT_TIMEOUT_MS};

	read_selection(s);
	read_values(s, "", &common);
	for (enum signal signal = 0; signal < SIGNALS; signal++) {
		struct otlp_values own = common;
		read_values(s, signal_names[signal].name, &own);
		read_url(s, signal, endpoint ? endpoint : DEFAULT_ENDPOINT);
		keep_values(s, &s->signals[signal], &own);
	}
}

bool settings_is_exporter_variable(const char *variable)
{
	static const char *const known[] = {"ENDPOINT", "HEADERS",     "COMPRESSION",        "TIMEOUT",
					    "PROTOCOL", "CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"};

	if (strcmp(variable, "OTEL_TRACES_EXPORTER") == 0 || strcmp(variable, "OTEL_METRICS_EXPORTER") == 0 ||
	    strcmp(variable, "OTEL_LOGS_EXPORTER") == 0)
		return true;
	if (strncmp(variable, OTLP_PREFIX, strlen(OTLP_PREFIX)) != 0)
		return false;
	variable += strlen(OTLP_PREFIX);
	for (enum signal signal = 0; signal < SIGNALS; signal++) {
		const char *prefix = signal_names[signal].name;
		if (strncmp(variable, prefix, strlen(prefix)) == 0) {
			variable += strlen(prefix);
			break;
		}
	}
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (strcmp(known[i], variable) == 0)
			return true;
	return false;
}

void settings_set_transport(struct settings *s, tel_send *send, void *arg)
{
	bool wanted = false;

	for (enum signal signal = 0; signal < SIGNALS; signal++) {
		s->signals[signal].send = send;
		s->signals[signal].send_arg = arg;
		wanted |= s->signals[signal].otlp;
	}
#ifdef TEL_NO_HTTP
	if (send || !wanted)
		return;
	complain_warn("the library was built without HTTP, and the program brings no transport: nothing is exported");
	for (enum signal signal = 0; signal < SIGNALS; signal++)
		s->signals[signal].otlp = false;
#else
	(void)wanted;
#endif
}

void settings_done_exporters(struct settings *s)
{
	for (enum signal signal = 0; signal < SIGNALS; signal++) {
		struct exporter_settings *out = &s->signals[signal];
		free(out->url);
		free(out->headers_text);
		free(out->certificate);
		free(out->client_certificate);
		free(out->client_key);
	}
}
