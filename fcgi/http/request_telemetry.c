/* SPDX-License-Identifier: MIT */
#include "http/request_telemetry.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/random.h"
#include "base/redact.h"
#include "semconv/http_names.h"
#include "semconv/http_server.h"

/* ---- start ---- */

static bool gateway_says(const struct request *req, const char *param, const char *value)
{
	const char *said = req->through_gateway ? request_param(req, param) : NULL;

	return said && strcmp(said, value) == 0;
}

/*
 * nginx before 1.23 passes a header that came twice as two parameters; all are offered, in order. If the gateway has
 * started a new trace, the client's tracestate does not belong to it, and the gateway's own takes its place.
 */
static void read_parent(const struct request *req, struct tel_parent *parent)
{
	static const struct {
		const char *param, *header;
	} headers[] = {
		{"HTTP_TRACEPARENT=", "traceparent"}, {"HTTP_TRACESTATE=", "tracestate"}, {"HTTP_BAGGAGE=", "baggage"}};
	bool is_new = gateway_says(req, "TRACE_VALID", "0");
	const char *new_state = is_new ? request_param(req, "TRACE_STATE") : NULL;

	tel_parent_init(parent);
	for (const char *const *param = req->params; *param; param++) {
		for (size_t i = 0; i < sizeof(headers) / sizeof(*headers); i++) {
			size_t len = strlen(headers[i].param);
			if (strncmp(*param, headers[i].param, len) == 0 && !(is_new && i == 1))
				tel_parent_header(parent, headers[i].header, *param + len);
		}
	}
	if (new_state)
		tel_parent_header(parent, "tracestate", new_state);
	tel_parent_end(parent);
	if (gateway_says(req, "TRACE_RESAMPLED", "1"))
		tel_parent_forget_threshold(parent);
}

/* An answer without a span has ids too: the trace is the caller's if there is one, and the flags say "not sampled". */
static void add_ids_of_no_span(const struct tel_parent *parent, struct reply *reply)
{
	uint64_t ids[3] = {random_u64() | 1, random_u64(), random_u64() | 1};
	struct tel_context caller = tel_parent_context(parent);
	char span_id[17] = "";

	hex_encode(tel_context_valid(caller) ? caller.trace_id : (const uint8_t *)ids, 16, reply->trace_id);
	reply->trace_id[32] = '\0';
	hex_encode((const uint8_t *)&ids[2], 8, span_id);
	reply_header(reply, "X-Trace-Id", "%s", reply->trace_id);
	reply_header(reply, "Server-Timing", "traceparent;desc=\"00-%s-%s-00\"", reply->trace_id, span_id);
}

static void add_ids(const struct tel_span *span, struct reply *reply)
{
	struct tel_carrier carrier;

	tel_span_inject(span, &carrier);
	memcpy(reply->trace_id, carrier.traceparent + 3, 32);
	reply->trace_id[32] = '\0';
	reply_header(reply, "X-Trace-Id", "%s", reply->trace_id);
	reply_header(reply, "Server-Timing", "traceparent;desc=\"%s\"", carrier.traceparent);
}

void request_telemetry_start(struct request_telemetry *t, const struct request *req, struct tel_parent *parent,
			     struct reply *reply)
{
	const struct route *route = req->match.route;

	t->start_ns = clock_monotonic_ns();
	t->quiet = route && (route->flags & ROUTE_QUIET);
	t->route = req->match.path_template ? req->match.path_template : "_unmatched";
	reply_header(reply, "X-Apm-Route", "%s", t->route);
	read_parent(req, parent);
	if (t->quiet) {
		add_ids_of_no_span(parent, reply);
		return;
	}

	const char *name = http_span_name(req->method);
	tel_span_start_remote(&t->span, name, TEL_SERVER, parent);
	if (req->match.path_template)
		tel_span_rename(&t->span, name, req->match.path_template);
	add_ids(&t->span, reply);
	http_server_add_active(1);
}

/* ---- end ---- */

static const char *param_or_empty(const struct request *req, const char *name)
{
	const char *value = request_param(req, name);
	return value ? value : "";
}

/* Returns the path as the client wrote it, and its length in *len: what follows there is not part of it. */
static const char *raw_path(const struct request *req, size_t *len)
{
	const char *uri = param_or_empty(req, "REQUEST_URI");

	if (*uri == '\0')
		uri = req->path;
	*len = strcspn(uri, "?");
	return uri;
}

/* nginx writes an IPv6 address in brackets, as a URL has it; the attribute has none. */
static struct tel_attr server_address(const char *host)
{
	size_t len = strlen(host);

	if (len > 2 && host[0] == '[' && host[len - 1] == ']')
		return tel_strn("server.address", host + 1, len - 2);
	return tel_strn("server.address", host, len);
}

static struct tel_attr shown_query(const char *query, struct buf *storage)
{
	redact_query(storage, query, strlen(query));
	return storage->failed ? tel_lit("url.query", "REDACTED") : tel_strn("url.query", storage->data, storage->len);
}

/* The conventions call version "2.0" "2", and those of HTTP/1 as nginx does. */
static size_t version_len(const char *version)
{
	return version[0] >= '2' && strcmp(version + 1, ".0") == 0 ? 1 : strlen(version);
}

/* Sets the attributes of HTTP server spans. Long texts come last, since what does not fit is dropped. */
static void describe(struct tel_span *span, const struct request *req, int status)
{
	struct tel_attr attrs[16];
	size_t count = 0, path_len;
	const char *method = http_method_name(req->method);
	const char *path = raw_path(req, &path_len);
	const char *port = param_or_empty(req, "SERVER_PORT");
	const char *protocol = param_or_empty(req, "SERVER_PROTOCOL");
	const char *text;
	char storage[TEL_SPAN_SIZE]; /* more than a span takes */
	struct buf query;

	buf_init_fixed(&query, storage, sizeof(storage));
	attrs[count++] = tel_lit("http.request.method", method);
	if (*method == '_')
		attrs[count++] = tel_str("http.request.method_original", req->method);
	if (req->match.path_template)
		attrs[count++] = tel_lit("http.route", req->match.path_template);
	attrs[count++] = tel_int("http.response.status_code", status);
	if (*(text = param_or_empty(req, "REQUEST_SCHEME")))
		attrs[count++] = tel_str("url.scheme", text);
	if (*(text = param_or_empty(req, "SERVER_NAME")))
		attrs[count++] = server_address(text);
	if (*port)
		attrs[count++] = tel_int("server.port", strtol(port, NULL, 10));
	if (*(text = param_or_empty(req, "REMOTE_ADDR")))
		attrs[count++] = tel_str("client.address", text);
	if (ascii_same_start(protocol, "HTTP/", 5))
		attrs[count++] = tel_strn("network.protocol.version", protocol + 5, version_len(protocol + 5));
	attrs[count++] = tel_strn("url.path", path, path_len);
	if (*req->query)
		attrs[count++] = shown_query(req->query, &query);
	if (*(text = param_or_empty(req, "HTTP_USER_AGENT")))
		attrs[count++] = tel_str("user_agent.original", text);
	tel_span_set_attrs(span, attrs, count);
}

/* A 404 is everyday; another 4xx means that a client is wrong, and a 5xx that we are. */
static enum tel_level level_of(int status)
{
	if (status >= 500)
		return TEL_LEVEL_ERROR;
	return status >= 400 && status != 404 ? TEL_LEVEL_WARN : TEL_LEVEL_INFO;
}

static void write_log_line(const struct request_telemetry *t, const struct request *req, const struct reply *reply,
			   uint64_t duration_ns)
{
	size_t path_len;
	const char *path = raw_path(req, &path_len);
	size_t reasons = reply->status >= 400 && reply->reason[0];
	struct tel_attr attrs[] = {
		tel_str("method", req->method),
		tel_str("route", t->route),
		tel_strn("path", path, path_len),
		tel_int("status", reply->status),
		tel_double("duration_ms", round((double)duration_ns / 1e3) / 1e3),
		tel_str("reason", reply->reason),
	};

	tel_log(level_of(reply->status), "request", attrs, sizeof(attrs) / sizeof(*attrs) - 1 + reasons);
}

void request_telemetry_end(struct request_telemetry *t, const struct request *req, struct reply *reply)
{
	if (t->quiet)
		return;
	uint64_t duration_ns = clock_monotonic_ns() - t->start_ns;

	if (tel_span_recording(&t->span)) {
		describe(&t->span, req, reply->status);
		if (reply->status >= 500)
			tel_span_fail(&t->span, http_status_name(reply->status));
	}
	write_log_line(t, req, reply, duration_ns);
	tel_span_end(&t->span);
	http_server_add_active(-1);
	http_server_observe(req->method, t->route, reply->status, (double)duration_ns / 1e9, &t->span);
}
