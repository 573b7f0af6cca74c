/* SPDX-License-Identifier: MIT */
#include "http/call.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/curl_handle.h"
#include "base/env.h"
#include "base/redact.h"
#include "http/deadline.h"
#include "http/neighbour.h"
#include "http/peer.h"
#include "semconv/http_names.h"
#include "tel/tel.h"

#define PEERS_MAX 8
#define URL_MAX 1024
#define ANSWER_MAX 65536
#define FAIR_MAX_MS 5000

TEL_HISTOGRAM(call_duration, "http.client.request.duration", "s", "Duration of HTTP client requests.", tel_http_bounds,
	      "http.request.method", "server.address", "http.response.status_code");

/* curl reads the list of headers and never frees it: its nodes and the texts they point to, filled anew for a call. */
struct headers {
	struct curl_slist nodes[6];
	unsigned count;
	char traceparent[13 + TEL_TRACEPARENT_LENGTH + 1];
	char tracestate[12 + TEL_TRACESTATE_MAX + 1];
	char baggage[9 + TEL_BAGGAGE_MAX + 1];
	char time_out[sizeof(DEADLINE_HEADER) + 24];
};

struct caller {
	CURL *curl;
	struct headers headers;
	struct peer peers[PEERS_MAX];
	unsigned peer_count;
	size_t answer_bytes;
};

static _Thread_local struct caller *caller;                  /* made at the first call */
static _Thread_local const struct deadline *thread_deadline; /* of the request that it serves */
static long time_out_ms = 2000;

ENV_SETTING(time_out, .name = "CALL_TIMEOUT_MS", .unit = "milliseconds", .fallback = 2000, .min = 1, .max = 60000);

void call_init(void)
{
	time_out_ms = env_number(&time_out);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		abort();
}

unsigned call_timeout_ms(void)
{
	return (unsigned)time_out_ms;
}

void call_deadline(const struct deadline *deadline)
{
	thread_deadline = deadline;
}

void call_thread_done(void)
{
	if (!caller)
		return;
	curl_easy_cleanup(caller->curl);
	free(caller);
	caller = NULL;
}

/* ---- the peer ---- */

static const struct peer *find_peer(struct caller *c, const char *service)
{
	for (unsigned i = 0; i < c->peer_count; i++)
		if (strcmp(c->peers[i].service, service) == 0)
			return &c->peers[i];
	assert(c->peer_count < PEERS_MAX);
	struct peer *peer = &c->peers[c->peer_count++];
	peer_init(peer, service);
	return peer;
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
	add_header(headers, headers->time_out, sizeof(headers->time_out), DEADLINE_HEADER, limit);
	add_header(headers, headers->traceparent, sizeof(headers->traceparent), "traceparent", carrier.traceparent);
	add_header(headers, headers->tracestate, sizeof(headers->tracestate), "tracestate", carrier.tracestate);
	add_header(headers, headers->baggage, sizeof(headers->baggage), "baggage", carrier.baggage);
	add_node(headers, no_expect);
	if (has_body)
		add_node(headers, json);
}

/* ---- the call ---- */

static size_t drop_answer(char *data, size_t size, size_t count, void *arg)
{
	struct caller *c = arg;

	(void)data;
	c->answer_bytes += size * count;
	return c->answer_bytes > ANSWER_MAX ? 0 : size * count; /* 0 ends the transfer */
}

static struct caller *this_caller(void)
{
	if (caller)
		return caller;
	caller = calloc(1, sizeof(*caller));
	if (!caller || !(caller->curl = curl_handle_new(0)))
		abort();
	CURL *curl = caller->curl;
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "apm/" APM_VERSION);
	curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 4096L);
	curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, 16384L);
	curl_easy_setopt(curl, CURLOPT_MAXCONNECTS, (long)PEERS_MAX);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop_answer);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, caller);
	return caller;
}

/* The time left for a call, 0 when there is none, or nobody waits for what would come of it. */
static long budget_ms(void)
{
	if (!thread_deadline)
		return time_out_ms;
	if (deadline_now(thread_deadline) != IN_TIME)
		return 0;
	uint64_t now = clock_monotonic_ns(), end = thread_deadline->calls_end_ns;
	uint64_t left = end > now ? (end - now) / NS_PER_MS : 0;
	return left < (uint64_t)time_out_ms ? (long)left : time_out_ms;
}

static CURLcode transfer(struct caller *c, const char *url, const char *json, size_t bytes, long limit_ms)
{
	CURL *curl = c->curl;

	c->answer_bytes = 0;
	if (json) {
		curl_easy_setopt(curl, CURLOPT_POST, 1L);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, json);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)bytes);
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

/* What the call came to, in its span and in one log line. */
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

/* The request that is made when the neighbour allows it: its status, 0 without an answer. */
static long exchange(struct caller *c, const struct peer *peer, struct tel_span *span, const char *path,
		     const char *json, size_t bytes, long limit_ms)
{
	char url[URL_MAX];
	uint64_t start_ns = clock_monotonic_ns();
	long status = 0;

	snprintf(url, sizeof(url), "%s%s", peer->base, path);
	fill_headers(&c->headers, span, json != NULL, limit_ms);
	CURLcode code = transfer(c, url, json, bytes, limit_ms);
	/*
	 * libcurl sends again what met a kept connection that was just closed, but (7.88) counts that over the life
	 * of a handle and fails every sixth time, with this error. It also means that the request did not get out.
	 */
	long left_ms = limit_ms - (long)((clock_monotonic_ns() - start_ns) / NS_PER_MS);
	if (code == CURLE_SEND_ERROR && left_ms > 0)
		code = transfer(c, url, json, bytes, left_ms);
	if (code == CURLE_OK || (code == CURLE_WRITE_ERROR && c->answer_bytes > ANSWER_MAX))
		curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	describe(span, c, peer, status, code);
	return status;
}

/* One that failed, or was refused as late, says something of the neighbour when it was given a fair part of the usual
 * time. */
static enum call_outcome outcome_of(long status, long limit_ms)
{
	long fair_ms = time_out_ms / 2 < FAIR_MAX_MS ? time_out_ms / 2 : FAIR_MAX_MS;

	if (status && (status < 502 || status > 504))
		return CALL_ANSWERED;
	return limit_ms < fair_ms ? CALL_UNKNOWN : CALL_FAILED;
}

/* Makes the call when there is time for it and the neighbour is worth it, by the rules of neighbour.h. */
static int call_allowed(struct caller *c, const struct peer *peer, struct tel_span *span, const char *method,
			const char *path, const char *json, size_t bytes)
{
	struct passage passage = {.in_request = thread_deadline != NULL};
	enum refusal refusal = neighbour_enter(peer->neighbour, &passage);

	if (refusal) {
		tel_span_fail(span, refusal_name(refusal));
		return 0;
	}
	long limit_ms = budget_ms(); /* after the wait for a lane */
	if (limit_ms <= 0) {
		neighbour_leave(peer->neighbour, &passage, CALL_UNKNOWN, 0);
		neighbour_refused(peer->neighbour, REFUSED_DEADLINE);
		tel_span_fail(span, refusal_name(REFUSED_DEADLINE));
		return 0;
	}
	uint64_t start_ns = clock_monotonic_ns();
	long status = exchange(c, peer, span, path, json, bytes, limit_ms);
	uint64_t duration_ns = clock_monotonic_ns() - start_ns;
	neighbour_leave(peer->neighbour, &passage, outcome_of(status, limit_ms), duration_ns);
	tel_series_record(tel_series(&call_duration, method, peer->address, http_status_name((int)status)),
			  (double)duration_ns / 1e9, span);
	return (int)status;
}

/* `method` is a literal. */
static int call(const char *method, const char *service, const char *path, const char *json, size_t bytes)
{
	struct caller *c = this_caller();
	const struct peer *peer = find_peer(c, service);
	bool ipv6 = strchr(peer->address, ':');
	char shown_storage[2 * URL_MAX];
	struct buf shown;

	buf_init_fixed(&shown, shown_storage, sizeof(shown_storage));
	buf_addf(&shown, "%s://%s%s%s:%d", peer->scheme, ipv6 ? "[" : "", peer->address, ipv6 ? "]" : "", peer->port);
	redact_url(&shown, path, strlen(path));
	TEL_SPAN(span, method, TEL_CLIENT);
	tel_span_set(span, tel_lit("http.request.method", method), tel_str("server.address", peer->address),
		     tel_int("server.port", peer->port), tel_strn("url.full", shown.data, shown.len));
	int status = call_allowed(c, peer, span, method, path, json, bytes);
	tel_span_end(span);
	return status;
}

int call_get(const char *service, const char *path_format, ...)
{
	char path[URL_MAX / 2];
	va_list args;

	va_start(args, path_format);
	vsnprintf(path, sizeof(path), path_format, args);
	va_end(args);
	return call("GET", service, path, NULL, 0);
}

int call_post(const char *service, const char *path, const char *json, size_t bytes)
{
	return call("POST", service, path, json, bytes);
}
