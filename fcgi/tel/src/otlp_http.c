/* SPDX-License-Identifier: MIT */
#include "tel/src/otlp_http.h"

#include <curl/curl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/clock.h"
#include "tel/src/settings.h"
#include "tel/tel.h"

#define ANSWER_MAX 65536
#define RETRY_AFTER_MAX_SECONDS 300
/* OpenTelemetry specification, "OpenTelemetry Protocol Exporter", "User Agent". */
#define USER_AGENT "OTel-OTLP-Exporter-C/" TEL_VERSION

struct otlp_http {
	const struct exporter_settings *settings;
	CURL *easy;
	CURLM *multi;
	struct curl_slist *headers;
	z_stream deflate;
	struct buf zipped;
	struct buf answer;
	char error[CURL_ERROR_SIZE];
	_Atomic uint64_t stop_at_ns; /* monotonic; UINT64_MAX: not to stop */
};

/* ---- life cycle ---- */

static bool add_header(struct otlp_http *http, const char *name, const char *value)
{
	char *line;

	/* curl's way to send a field without a value */
	if (asprintf(&line, *value ? "%s: %s" : "%s;", name, value) < 0)
		return false;
	struct curl_slist *list = curl_slist_append(http->headers, line);
	free(line);
	if (list)
		http->headers = list;
	return list;
}

static bool add_headers(struct otlp_http *http)
{
	const struct exporter_settings *settings = http->settings;
	struct curl_slist *list = curl_slist_append(NULL, "Content-Type: application/x-protobuf");

	http->headers = list;
	/* without "Expect:" curl asks for leave before it sends a large body */
	if (!list || !curl_slist_append(list, "Expect:") ||
	    (settings->gzip && !add_header(http, "Content-Encoding", "gzip")))
		return false;
	for (size_t i = 0; i < settings->header_count; i++)
		if (!add_header(http, settings->headers[i].key, settings->headers[i].value))
			return false;
	return true;
}

/* Bytes past the limit are not kept: the status line has said what matters. */
static size_t take_answer(char *data, size_t size, size_t count, void *context)
{
	struct buf *answer = context;
	size_t bytes = size * count, room = answer->max - answer->len;

	buf_add(answer, data, bytes < room ? bytes : room);
	return bytes;
}

/* Paths of PEM files. A certificate file without a key file holds both. */
static void set_tls(CURL *easy, const struct exporter_settings *settings)
{
	if (settings->certificate) {
		curl_easy_setopt(easy, CURLOPT_CAINFO, settings->certificate);
		curl_easy_setopt(easy, CURLOPT_CAPATH, NULL); /* nor those of the system */
	}
	if (settings->client_certificate)
		curl_easy_setopt(easy, CURLOPT_SSLCERT, settings->client_certificate);
	if (settings->client_key)
		curl_easy_setopt(easy, CURLOPT_SSLKEY, settings->client_key);
}

static void set_options(struct otlp_http *http)
{
	CURL *easy = http->easy;

	curl_easy_setopt(easy, CURLOPT_URL, http->settings->url);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* a resolver that hangs is not waited for */
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, USER_AGENT);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, http->headers);
	curl_easy_setopt(easy, CURLOPT_POST, 1L);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, http->error);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_answer);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, &http->answer);
	set_tls(easy, http->settings);
}

struct otlp_http *otlp_http_new(const struct exporter_settings *settings)
{
	struct otlp_http *http = calloc(1, sizeof(*http));

	if (!http)
		return NULL;
	http->settings = settings;
	atomic_init(&http->stop_at_ns, UINT64_MAX);
	buf_init(&http->zipped, SIZE_MAX / 2);
	buf_init(&http->answer, ANSWER_MAX);
	http->easy = curl_easy_init();
	http->multi = curl_multi_init();
	/* 15 window bits and 16 for a gzip header */
	bool ready = http->easy && http->multi && add_headers(http) &&
		     (!settings->gzip ||
		      deflateInit2(&http->deflate, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
	if (!ready) {
		otlp_http_free(http);
		return NULL;
	}
	set_options(http);
	return http;
}

void otlp_http_free(struct otlp_http *http)
{
	if (!http)
		return;
	if (http->settings->gzip)
		deflateEnd(&http->deflate);
	curl_easy_cleanup(http->easy);
	curl_multi_cleanup(http->multi);
	curl_slist_free_all(http->headers);
	buf_done(&http->zipped);
	buf_done(&http->answer);
	free(http);
}

void otlp_http_stop(struct otlp_http *http, unsigned grace_ms)
{
	atomic_store(&http->stop_at_ns, clock_monotonic_ns() + grace_ms * UINT64_C(1000000));
	curl_multi_wakeup(http->multi);
}

/* ---- one request ---- */

/* False: no memory. */
static bool compress_body(struct otlp_http *http, const void *body, size_t bytes)
{
	z_stream *z = &http->deflate;

	buf_reset(&http->zipped);
	deflateReset(z);
	size_t bound = deflateBound(z, bytes);
	if (!buf_reserve(&http->zipped, bound))
		return false;
	z->next_in = (Bytef *)body; /* zlib's interface is not const */
	z->avail_in = (uInt)bytes;
	z->next_out = (Bytef *)http->zipped.data;
	z->avail_out = (uInt)bound;
	if (deflate(z, Z_FINISH) != Z_STREAM_END)
		return false;
	http->zipped.len = bound - z->avail_out;
	return true;
}

static CURLcode finished(struct otlp_http *http)
{
	int left;
	const CURLMsg *message;

	while ((message = curl_multi_info_read(http->multi, &left)))
		if (message->msg == CURLMSG_DONE)
			return message->data.result;
	return CURLE_FAILED_INIT;
}

/* By the multi interface, because another thread can wake it. */
static CURLcode perform(struct otlp_http *http)
{
	uint64_t deadline_ns = clock_monotonic_ns() + http->settings->timeout_ms * UINT64_C(1000000);
	int running = 1;

	if (curl_multi_add_handle(http->multi, http->easy) != CURLM_OK)
		return CURLE_FAILED_INIT;
	for (;;) {
		if (curl_multi_perform(http->multi, &running) != CURLM_OK)
			return CURLE_FAILED_INIT;
		if (!running)
			return finished(http);
		uint64_t stop_ns = atomic_load(&http->stop_at_ns), now_ns = clock_monotonic_ns();
		uint64_t end_ns = stop_ns < deadline_ns ? stop_ns : deadline_ns;
		if (now_ns >= end_ns)
			return CURLE_OPERATION_TIMEDOUT;
		uint64_t wait_ms = (end_ns - now_ns) / 1000000 + 1;
		curl_multi_poll(http->multi, NULL, 0, wait_ms < 60000 ? (int)wait_ms : 60000, NULL);
	}
}

static void by_status(struct otlp_http *http, struct otlp_result *result)
{
	long status = result->status;
	const struct buf *body = &http->answer;
	curl_off_t retry_after = 0;

	if (status / 100 == 2) {
		result->outcome = OTLP_ACCEPTED;
		if (!otlp_read_answer(body->data, body->len, &result->answer))
			strcpy(result->answer.message, "the answer is not OTLP");
		return;
	}
	curl_easy_getinfo(http->easy, CURLINFO_RETRY_AFTER, &retry_after);
	if (retry_after > 0)
		result->retry_after_ms = (unsigned)(retry_after < RETRY_AFTER_MAX_SECONDS ? retry_after
											  : RETRY_AFTER_MAX_SECONDS) *
					 1000;
	result->outcome = status == 429 || status == 502 || status == 503 || status == 504 ? OTLP_BUSY : OTLP_REFUSED;
	result->error = status / 100 == 4 ? EXPORT_4XX : status / 100 == 5 ? EXPORT_5XX : EXPORT_PROTOCOL;

	const char *type = NULL;
	curl_easy_getinfo(http->easy, CURLINFO_CONTENT_TYPE, &type);
	if (type && strncmp(type, "application/x-protobuf", 22) == 0)
		otlp_read_error(body->data, body->len, result->answer.message);
}

/*
 * OTLP asks to repeat what was answered by a closed connection. After a time-out it leaves the choice open: the request
 * may well have been taken, so only one that was never sent counts as unreachable.
 */
static void by_failure(struct otlp_http *http, CURLcode code, struct otlp_result *result)
{
	curl_off_t sent_us = 0;

	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
		result->outcome = OTLP_UNREACHABLE;
		result->error = EXPORT_CONNECTION;
		break;
	case CURLE_OPERATION_TIMEDOUT:
		curl_easy_getinfo(http->easy, CURLINFO_PRETRANSFER_TIME_T, &sent_us);
		result->outcome = sent_us ? OTLP_UNKNOWN : OTLP_UNREACHABLE;
		result->error = EXPORT_TIMEOUT;
		break;
	default: result->outcome = OTLP_UNKNOWN; result->error = EXPORT_PROTOCOL;
	}
	snprintf(result->answer.message, OTLP_MESSAGE_SIZE, "%s",
		 http->error[0] ? http->error : curl_easy_strerror(code));
}

void otlp_http_post(struct otlp_http *http, const void *body, size_t bytes, struct otlp_result *result)
{
	*result = (struct otlp_result){.outcome = OTLP_ACCEPTED};
	if (http->settings->gzip) {
		if (!compress_body(http, body, bytes)) {
			by_failure(http, CURLE_OUT_OF_MEMORY, result);
			return;
		}
		body = http->zipped.data;
		bytes = http->zipped.len;
	}
	buf_reset(&http->answer);
	http->error[0] = '\0';
	curl_easy_setopt(http->easy, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(http->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)bytes);
	CURLcode code = perform(http);

	/* A status line is the answer, whatever becomes of the rest; 1xx is none. */
	curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &result->status);
	if (result->status >= 200) {
		by_status(http, result);
	} else {
		result->status = 0;
		by_failure(http, code, result);
	}
	curl_multi_remove_handle(http->multi, http->easy);
}
