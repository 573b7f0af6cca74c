/* SPDX-License-Identifier: MIT */
#include "gateway/access_span.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/hex.h"
#include "base/redact.h"
#include "gateway/access_time.h"
#include "semconv/http_names.h"

/* ---- attributes ---- */

static void set_text(struct tel_span *span, const char *key, const struct slice *text)
{
	if (text->len)
		tel_span_set(span, tel_strn(key, text->data, text->len));
}

static void set_method(struct tel_span *span, const struct slice *method)
{
	const char *name = http_method_name(method->data);

	tel_span_set(span, tel_lit("http.request.method", name));
	if (*name == '_')
		set_text(span, "http.request.method_original", method);
}

/* Sets "1.1" for "HTTP/1.1", and "2" for "HTTP/2.0". */
static void set_protocol(struct tel_span *span, const struct slice *protocol)
{
	if (protocol->len <= 5 || memcmp(protocol->data, "HTTP/", 5) != 0)
		return;
	struct slice version = {protocol->data + 5, protocol->len - 5};
	if (version.len == 3 && version.data[0] >= '2' && memcmp(version.data + 1, ".0", 2) == 0)
		version.len = 1;
	set_text(span, "network.protocol.version", &version);
}

/* ---- the spans ---- */

static void fail_server(struct tel_span *span, int status)
{
	if (status == 499) /* nginx: the client closed the connection */
		tel_span_fail(span, "client_disconnected");
	else if (status == 0)
		tel_span_fail(span, "_OTHER");
	else if (status >= 500)
		tel_span_fail(span, http_status_name(status));
}

static bool is_route(const struct slice *route)
{
	return route->len > 0 && route->data[0] == '/'; /* not "_unmatched" */
}

/* An IPv6 address in a URL has brackets, "[::1]"; as an attribute it has none. */
static struct slice bare_host(struct slice host)
{
	bool bracketed = host.len > 2 && host.data[0] == '[' && host.data[host.len - 1] == ']';

	return bracketed ? (struct slice){host.data + 1, host.len - 2} : host;
}

/* Our configuration of nginx has redacted the query; another one may not. */
static void set_query(struct tel_span *span, const struct slice *query)
{
	char storage[TEL_SPAN_SIZE]; /* no attribute of a span is longer */
	struct buf shown;

	if (query->len == 0)
		return;
	buf_init_fixed(&shown, storage, sizeof(storage));
	redact_query(&shown, query->data, query->len);
	tel_span_set(span,
		     shown.failed ? tel_lit("url.query", "REDACTED") : tel_strn("url.query", shown.data, shown.len));
}

void access_span_facts(const struct access_line *line, struct tel_span_facts *out)
{
	static const uint8_t none[8];
	struct access_interval time = access_time_of_request(line);

	*out = (struct tel_span_facts){.kind = TEL_SERVER,
				       .context.flags = line->flags,
				       .parent_remote = memcmp(line->parent_span_id, none, sizeof(none)) != 0,
				       .start_ns = time.start_ns,
				       .end_ns = time.end_ns};
	memcpy(out->context.trace_id, line->trace_id, sizeof(line->trace_id));
	memcpy(out->context.span_id, line->span_id, sizeof(line->span_id));
	memcpy(out->parent_span_id, line->parent_span_id, sizeof(line->parent_span_id));
}

static void server_span(const struct access_line *line, struct tel_span *out)
{
	struct tel_span_facts facts;

	access_span_facts(line, &facts);
	tel_span_from(out, &facts);
	/* A span has a fixed size, so long texts and those of the client come last. */
	tel_span_rename(out, http_span_name(line->method.data), is_route(&line->route) ? line->route.data : NULL);
	set_method(out, &line->method);
	if (is_route(&line->route))
		set_text(out, "http.route", &line->route);
	if (line->status)
		tel_span_set(out, tel_int("http.response.status_code", line->status));
	fail_server(out, line->status);
	set_text(out, "url.scheme", &line->scheme);
	set_text(out, "client.address", &line->client);
	set_protocol(out, &line->protocol);
	if (line->port)
		tel_span_set(out, tel_int("server.port", line->port));
	struct slice host = bare_host(line->host);
	set_text(out, "server.address", &host);
	set_text(out, "url.path", &line->path);
	set_query(out, &line->query);
	set_text(out, "user_agent.original", &line->user_agent);
}

/* Returns the attempt that is the parent of the program's span: the last that answered, else the last. */
static size_t answered_attempt(const struct access_line *line)
{
	for (size_t i = line->attempt_count; i > 0; i--)
		if (line->attempts[i - 1].status)
			return i - 1;
	return line->attempt_count - 1;
}

/* All attempts sent the same traceparent. The others get ids derived from it, the same ones each time. */
static void attempt_id(const struct access_line *line, size_t attempt, uint8_t *out)
{
	uint64_t id;

	memcpy(out, line->client_span_id, 8);
	if (attempt == answered_attempt(line))
		return;
	memcpy(&id, out, 8);
	do {
		id = hash_mix(id + (attempt + 1) * HASH_STEP);
		memcpy(out, &id, 8);
	} while (id == 0 || memcmp(out, line->span_id, 8) == 0 || memcmp(out, line->client_span_id, 8) == 0);
}

/* An address is "unix:/run/users.sock", "127.0.0.1:8081", "[::1]:8081", or an upstream's name if no server is live. */
static void set_peer(struct tel_span *span, const struct slice *address)
{
	struct slice host = *address;

	if (host.len > 5 && memcmp(host.data, "unix:", 5) == 0) {
		host = (struct slice){host.data + 5, host.len - 5};
		set_text(span, "server.address", &host);
		return;
	}
	const char *colon = memrchr(host.data, ':', host.len);
	if (colon) {
		tel_span_set(span, tel_int("server.port", strtol(colon + 1, NULL, 10)));
		host.len = (size_t)(colon - host.data);
	}
	host = bare_host(host);
	set_text(span, "server.address", &host);
}

static void set_url(struct tel_span *span, const struct access_line *line)
{
	char storage[TEL_SPAN_SIZE]; /* no attribute of a span is longer */
	struct buf url;
	bool default_port = line->port == 0 || line->port == (strcmp(line->scheme.data, "https") == 0 ? 443 : 80);

	if (line->host.len == 0 || line->scheme.len == 0)
		return;
	buf_init_fixed(&url, storage, sizeof(storage));
	buf_add(&url, line->scheme.data, line->scheme.len);
	buf_adds(&url, "://");
	buf_add(&url, line->host.data, line->host.len);
	if (!default_port) {
		buf_addc(&url, ':');
		buf_add_int(&url, line->port);
	}
	buf_add(&url, line->path.data, line->path.len);
	if (line->query.len) {
		buf_addc(&url, '?');
		redact_query(&url, line->query.data, line->query.len);
	}
	if (!url.failed)
		tel_span_set(span, tel_strn("url.full", url.data, url.len));
}

static void fail_attempt(struct tel_span *span, const struct access_line *line, int status)
{
	if (status >= 400)
		tel_span_fail(span, http_status_name(status));
	else if (status == 0)
		tel_span_fail(span, line->status == 499 ? "client_disconnected" : "_OTHER");
}

static void attempt_span(const struct access_line *line, size_t attempt, struct tel_span *out)
{
	const struct access_attempt *seen = &line->attempts[attempt];
	struct access_interval time = access_time_of_attempt(line, attempt);
	struct tel_span_facts facts = {
		.kind = TEL_CLIENT, .context.flags = line->flags, .start_ns = time.start_ns, .end_ns = time.end_ns};

	memcpy(facts.context.trace_id, line->trace_id, sizeof(line->trace_id));
	attempt_id(line, attempt, facts.context.span_id);
	memcpy(facts.parent_span_id, line->span_id, sizeof(line->span_id));
	tel_span_from(out, &facts);
	tel_span_rename(out, http_span_name(line->method.data), NULL);
	set_method(out, &line->method);
	if (seen->status)
		tel_span_set(out, tel_int("http.response.status_code", seen->status));
	fail_attempt(out, line, seen->status);
	if (attempt)
		tel_span_set(out, tel_int("http.request.resend_count", (int64_t)attempt));
	set_peer(out, &seen->address);
	set_url(out, line);
}

size_t access_span_count(const struct access_line *line)
{
	return line->flags & TEL_SAMPLED ? 1 + line->attempt_count : 0;
}

void access_span_make(const struct access_line *line, size_t index, struct tel_span *out)
{
	if (index == 0)
		server_span(line, out);
	else
		attempt_span(line, index - 1, out);
}

void access_span_context(const struct access_line *line, struct tel_parent *out)
{
	char traceparent[TEL_TRACEPARENT_LENGTH + 1] = "00-";

	hex_encode(line->trace_id, 16, traceparent + 3);
	traceparent[35] = '-';
	hex_encode(line->span_id, 8, traceparent + 36);
	traceparent[52] = '-';
	hex_encode(&line->flags, 1, traceparent + 53);
	tel_parent_init(out);
	tel_parent_header(out, "traceparent", traceparent);
	tel_parent_header(out, "tracestate", line->trace_state.data);
	tel_parent_end(out);
	if (line->resampled)
		tel_parent_forget_threshold(out);
}
