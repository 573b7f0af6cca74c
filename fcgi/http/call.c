/* SPDX-License-Identifier: MIT */
#include "http/call.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/curl_handle.h"
#include "base/env.h"
#include "base/redact.h"
#include "base/slice.h"
#include "http/deadline.h"
#include "http/neighbour.h"
#include "http/peer.h"
#include "http/request.h"
#include "semconv/http_names.h"
#include "tel/tel.h"

#define CONNECTIONS_MAX 8L /* that one handle keeps */
#define URL_MAX 1024
#define ANSWER_MAX 65536
#define FAIR_MAX_MS 5000

TEL_HISTOGRAM(call_duration, "http.client.request.duration", "s", "Duration of HTTP client requests.", tel_http_bounds,
	      "http.request.method", "server.address", "http.response.status_code");

/* The list of headers and their texts, filled again for each call. libcurl reads it and never frees it. */
struct headers {
	struct curl_slist nodes[6];
	unsigned count;
	char traceparent[13 + TEL_TRACEPARENT_LENGTH + 1];
	char tracestate[12 + TEL_TRACESTATE_MAX + 1];
	char baggage[9 + TEL_BAGGAGE_MAX + 1];
	char timeout[sizeof(DEADLINE_HEADER) + 24];
};

/* A handle of libcurl with its kept connections; one call at a time. */
struct caller {
	CURL *curl;
	struct headers headers;
	size_t answer_len;
	struct caller *next; /* of the idle ones */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct caller *idle; /* a stack: whoever called last has the freshest connections */
static long timeout_ms = 2000;

ENV_SETTING(timeout, .name = "CALL_TIMEOUT_MS", .unit = "milliseconds", .fallback = 2000, .min = 1, .max = 60000);

void call_init(void)
{
	timeout_ms = env_number(&timeout);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		abort();
}

unsigned call_timeout_ms(void)
{
	return (unsigned)timeout_ms;
}

/* ---- callers ---- */

static size_t drop_answer(char *data, size_t size, size_t count, void *arg)
{
	struct caller *c = arg;

	(void)data;
	c->answer_len += size * count;
	return c->answer_len > ANSWER_MAX ? 0 : size * count; /* 0 ends the transfer */
}

static struct caller *caller_new(void)
{
	struct caller *c = calloc(1, sizeof(*c));

	if (!c || !(c->curl = curl_handle_new(0)))
		abort();
	curl_easy_setopt(c->curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(c->curl, CURLOPT_USERAGENT, "apm/" APM_VERSION);
	curl_easy_setopt(c->curl, CURLOPT_BUFFERSIZE, 4096L);
	curl_easy_setopt(c->curl, CURLOPT_UPLOAD_BUFFERSIZE, 16384L);
	curl_easy_setopt(c->curl, CURLOPT_MAXCONNECTS, CONNECTIONS_MAX);
	curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, drop_answer);
	curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, c);
	return c;
}

static struct caller *take_caller(void)
{
	pthread_mutex_lock(&lock);
	struct caller *c = idle;
	if (c)
		idle = c->next;
	pthread_mutex_unlock(&lock);
	return c ? c : caller_new();
}

static void give_back(struct caller *c)
{
	pthread_mutex_lock(&lock);
	c->next = idle;
	idle = c;
	pthread_mutex_unlock(&lock);
}

void call_done(void)
{
	for (struct caller *c; (c = idle) != NULL;) {
		idle = c->next;
		curl_easy_cleanup(c->curl);
		free(c);
	}
}

/* ---- the headers ---- */

static void add_node(struct headers *headers, char *line)
{
	struct curl_slist *node = &headers->nodes[headers->count];

	*node = (struct curl_slist){.data = line};
	if (headers->count++)
		node[-1].next = node;
}

/* libcurl sends what it gets: a control byte would make a header of its own. */
static bool is_clean(const char *value)
{
	for (; *value; value++)
		if ((unsigned char)*value < 0x20 || *value == 0x7f)
			return false;
	return true;
}

static void add_header(struct headers *headers, char *line, size_t size, const char *name, const char *value)
{
	if (!value || !*value || !is_clean(value))
		return;
	if (snprintf(line, size, "%s: %s", name, value) < (int)size)
		add_node(headers, line);
}

static void fill_headers(struct headers *headers, const struct tel_span *span, bool has_body, long limit_ms)
{
	static char json[] = "Content-Type: application/json";
	static char no_expect[] = "Expect:"; /* never wait for "100 Continue" */
	struct tel_carrier carrier;
	char limit[24];

	headers->count = 0;
	tel_span_inject(span, &carrier);
	snprintf(limit, sizeof(limit), "%ld", limit_ms);
	add_header(headers, headers->timeout, sizeof(headers->timeout), DEADLINE_HEADER, limit);
	add_header(headers, headers->traceparent, sizeof(headers->traceparent), "traceparent", carrier.traceparent);
	add_header(headers, headers->tracestate, sizeof(headers->tracestate), "tracestate", carrier.tracestate);
	add_header(headers, headers->baggage, sizeof(headers->baggage), "baggage", carrier.baggage);
	add_node(headers, no_expect);
	if (has_body)
		add_node(headers, json);
}

/* ---- the call ---- */

/* Returns the time left for a call: 0 if there is none, or nobody waits any more for its outcome. */
static long budget_ms(const struct request *req)
{
	if (!req)
		return timeout_ms;
	if (deadline_now(&req->deadline) != IN_TIME)
		return 0;
	uint64_t now = clock_monotonic_ns(), end = req->deadline.calls_end_ns;
	uint64_t left = end > now ? (end - now) / NS_PER_MS : 0;
	return left < (uint64_t)timeout_ms ? (long)left : timeout_ms;
}

static CURLcode transfer(struct caller *c, const char *url, struct slice json, long limit_ms)
{
	CURL *curl = c->curl;

	c->answer_len = 0;
	if (json.data) {
		curl_easy_setopt(curl, CURLOPT_POST, 1L);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, json.data);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)json.len);
	} else {
		curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
	}
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, c->headers.nodes);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, limit_ms);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, limit_ms);
	return curl_easy_perform(curl);
}

/* error.type of a call without an answer. */
static const char *error_name(CURL *curl, CURLcode code)
{
	long reason = 0;

	switch (code) {
	case CURLE_OPERATION_TIMEDOUT: return "timeout";
	case CURLE_COULDNT_RESOLVE_HOST: return "name_resolution";
	case CURLE_COULDNT_CONNECT:
		curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &reason);
		return reason == ECONNREFUSED ? "connection_refused" : "connection_failed";
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE: return "connection_reset";
	default: return "_OTHER";
	}
}

/* Tells the outcome in the span, and in a log line if there was no answer. */
static void describe(struct tel_span *span, const struct caller *c, const struct peer *peer, long status, CURLcode code)
{
	if (status)
		tel_span_set(span, tel_int("http.response.status_code", status));
	if (status >= 400)
		tel_span_fail(span, http_status_name((int)status));
	if (!status) {
		const char *error = error_name(c->curl, code);
		tel_span_fail(span, error);
		tel_warn("call failed", tel_str("peer", peer->service), tel_lit("error", error),
			 tel_lit("detail", curl_easy_strerror(code)));
	}
}

/* Sends the request and returns the status of its answer, 0 if there is none. */
static long exchange(struct caller *c, const struct peer *peer, struct tel_span *span, const char *path,
		     struct slice json, long limit_ms)
{
	char url[URL_MAX];
	uint64_t start_ns = clock_monotonic_ns();
	long status = 0;

	snprintf(url, sizeof(url), "%s%s", peer->base, path);
	fill_headers(&c->headers, span, json.data != NULL, limit_ms);
	CURLcode code = transfer(c, url, json, limit_ms);
	/*
	 * libcurl sends again what met a kept connection that was just closed, but (7.88) counts that over the life
	 * of a handle and fails every sixth time, with this error. It also means that the request did not get out.
	 */
	long left_ms = limit_ms - (long)((clock_monotonic_ns() - start_ns) / NS_PER_MS);
	if (code == CURLE_SEND_ERROR && left_ms > 0)
		code = transfer(c, url, json, left_ms);
	if (code == CURLE_OK || (code == CURLE_WRITE_ERROR && c->answer_len > ANSWER_MAX))
		curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	describe(span, c, peer, status, code);
	return status;
}

/* A call that failed, or was refused as late, says something about the neighbour if it was given a fair part of the
 * usual time. */
static enum call_outcome outcome_of(long status, long limit_ms)
{
	long fair_ms = timeout_ms / 2 < FAIR_MAX_MS ? timeout_ms / 2 : FAIR_MAX_MS;

	if (status && (status < 502 || status > 504))
		return CALL_ANSWERED;
	return limit_ms < fair_ms ? CALL_UNKNOWN : CALL_FAILED;
}

struct call {
	const struct request *req; /* NULL: it is made for none */
	const char *method;        /* literal */
	const char *path;
	struct slice json; /* .data is NULL: no body */
};

/* Makes the call if there is time for it and the neighbour is worth it, by the rules of neighbour.h. */
static int call_allowed(const struct call *call, struct neighbour *neighbour, struct tel_span *span)
{
	const struct peer *peer = neighbour_peer(neighbour);
	struct passage passage = {.in_request = call->req != NULL};
	enum refusal refusal = neighbour_enter(neighbour, &passage);

	if (refusal) {
		tel_span_fail(span, refusal_name(refusal));
		return 0;
	}
	long limit_ms = budget_ms(call->req); /* after the wait for a lane */
	if (limit_ms <= 0) {
		neighbour_leave(neighbour, &passage, CALL_UNKNOWN, 0);
		neighbour_refused(neighbour, REFUSED_DEADLINE);
		tel_span_fail(span, refusal_name(REFUSED_DEADLINE));
		return 0;
	}
	struct caller *c = take_caller();
	uint64_t start_ns = clock_monotonic_ns();
	long status = exchange(c, peer, span, call->path, call->json, limit_ms);
	uint64_t duration_ns = clock_monotonic_ns() - start_ns;
	give_back(c);
	neighbour_leave(neighbour, &passage, outcome_of(status, limit_ms), duration_ns);
	tel_series_record(tel_series(&call_duration, call->method, peer->address, http_status_name((int)status)),
			  (double)duration_ns / 1e9, span);
	return (int)status;
}

static int make_call(const struct call *call, const char *service)
{
	struct neighbour *neighbour = neighbour_find(service);
	const struct peer *peer = neighbour_peer(neighbour);
	bool ipv6 = strchr(peer->address, ':');
	char url_storage[2 * URL_MAX];
	struct buf url; /* as the span shows it */

	buf_init_fixed(&url, url_storage, sizeof(url_storage));
	buf_addf(&url, "%s://%s%s%s:%d", peer->scheme, ipv6 ? "[" : "", peer->address, ipv6 ? "]" : "", peer->port);
	redact_url(&url, call->path, strlen(call->path));
	TEL_SPAN(span, call->method, TEL_CLIENT);
	tel_span_set(span, tel_lit("http.request.method", call->method), tel_str("server.address", peer->address),
		     tel_int("server.port", peer->port), tel_strn("url.full", url.data, url.len));
	int status = call_allowed(call, neighbour, span);
	tel_span_end(span);
	return status;
}

int call_get(const struct request *req, const char *service, const char *path_format, ...)
{
	char path[URL_MAX / 2];
	va_list args;

	va_start(args, path_format);
	vsnprintf(path, sizeof(path), path_format, args);
	va_end(args);
	return make_call(&(struct call){.req = req, .method = "GET", .path = path}, service);
}

int call_post(const struct request *req, const char *service, const char *path, const char *json, size_t len)
{
	return make_call(&(struct call){.req = req, .method = "POST", .path = path, .json = {json, len}}, service);
}
