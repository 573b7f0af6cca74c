/* SPDX-License-Identifier: MIT */
#include "tel/src/otlp_http.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "tel/src/gzip.h"
#include "tel/src/misuse.h"
#include "tel/src/settings.h"
#include "tel/src/transport.h"

#define ANSWER_MAX 65536
#define RETRY_AFTER_MAX_SECONDS 300
#define PROTOBUF "application/x-protobuf"
/* OpenTelemetry specification, "OpenTelemetry Protocol Exporter", "User Agent". */
#define USER_AGENT "OTel-OTLP-Exporter-C/" TEL_VERSION

struct otlp_http {
	const struct exporter_settings *settings;
	struct transport *transport; /* NULL if settings->send sends */
	int stop_fd;                 /* for settings->send; -1 without it */
	struct tel_header headers[PAIRS_MAX + 3];
	size_t header_count;
	struct gzip *gzip; /* NULL if bodies are sent as they are */
	struct buf zipped;
	char *answer;
	uint64_t deadline_ns;        /* monotonic: of the attempt under way */
	_Atomic uint64_t stop_at_ns; /* monotonic; UINT64_MAX: not to stop */
};

/* ---- life cycle ---- */

static void add_headers(struct otlp_http *http)
{
	const struct exporter_settings *settings = http->settings;
	struct tel_header *end = http->headers;

	*end++ = (struct tel_header){"Content-Type", PROTOBUF};
	*end++ = (struct tel_header){"User-Agent", USER_AGENT};
	if (settings->gzip)
		*end++ = (struct tel_header){"Content-Encoding", "gzip"};
	for (size_t i = 0; i < settings->header_count; i++)
		*end++ = (struct tel_header){settings->headers[i].key, settings->headers[i].value};
	http->header_count = (size_t)(end - http->headers);
}

static bool open_transport(struct otlp_http *http)
{
	if (http->settings->send) {
		http->stop_fd = fd_above_stderr(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
		return http->stop_fd >= 0;
	}
	http->transport = transport_new(http->settings, http->headers, http->header_count);
	return http->transport;
}

struct otlp_http *otlp_http_new(const struct exporter_settings *settings)
{
	struct otlp_http *http = calloc(1, sizeof(*http));

	if (!http)
		return NULL;
	http->settings = settings;
	http->stop_fd = -1;
	atomic_init(&http->stop_at_ns, UINT64_MAX);
	buf_init(&http->zipped, SIZE_MAX / 2);
	add_headers(http);
	http->answer = malloc(ANSWER_MAX);
	http->gzip = settings->gzip ? gzip_new() : NULL;
	if (!http->answer || !http->gzip != !settings->gzip || !open_transport(http)) {
		otlp_http_free(http);
		return NULL;
	}
	return http;
}

void otlp_http_free(struct otlp_http *http)
{
	if (!http)
		return;
	transport_free(http->transport);
	if (http->stop_fd >= 0)
		close(http->stop_fd);
	gzip_free(http->gzip);
	buf_done(&http->zipped);
	free(http->answer);
	free(http);
}

void otlp_http_stop(struct otlp_http *http, unsigned grace_ms)
{
	atomic_store(&http->stop_at_ns, clock_monotonic_ns() + grace_ms * NS_PER_MS);
	if (http->transport)
		transport_wake(http->transport);
	else if (eventfd_write(http->stop_fd, 1) < 0)
		return; /* it is readable already */
}

unsigned tel_request_left_ms(const struct tel_request *request)
{
	if (MISUSE_NULL(request, "tel_request_left_ms"))
		return 0;
	const struct otlp_http *http = request->attempt;
	uint64_t stop_ns = atomic_load(&http->stop_at_ns), now_ns = clock_monotonic_ns();
	uint64_t end_ns = stop_ns < http->deadline_ns ? stop_ns : http->deadline_ns;

	if (now_ns >= end_ns)
		return 0;
	uint64_t left_ms = (end_ns - now_ns) / NS_PER_MS + 1;
	return left_ms < UINT_MAX ? (unsigned)left_ms : UINT_MAX;
}

/* ---- one request ---- */

static void by_status(const struct tel_response *response, struct otlp_result *result)
{
	long status = response->status;
	unsigned seconds = response->retry_after_seconds;

	result->status = status;
	if (status / 100 == 2) {
		result->outcome = OTLP_ACCEPTED;
		if (!otlp_read_answer(response->body, response->bytes, &result->answer))
			strcpy(result->answer.message, "the answer is not OTLP");
		return;
	}
	result->retry_after_ms = 1000 * (seconds < RETRY_AFTER_MAX_SECONDS ? seconds : RETRY_AFTER_MAX_SECONDS);
	result->outcome = status == 429 || status == 502 || status == 503 || status == 504 ? OTLP_BUSY : OTLP_REFUSED;
	result->error = status / 100 == 4 ? EXPORT_4XX : status / 100 == 5 ? EXPORT_5XX : EXPORT_PROTOCOL;
	if (strncmp(response->content_type, PROTOBUF, strlen(PROTOBUF)) == 0)
		otlp_read_error(response->body, response->bytes, result->answer.message);
}

static void by_outcome(enum tel_transport_outcome outcome, const char *error, struct otlp_result *result)
{
	bool may_have_arrived = outcome == TEL_TRANSPORT_NO_ANSWER || outcome == TEL_TRANSPORT_NOT_HTTP;

	result->outcome = may_have_arrived ? OTLP_UNKNOWN : OTLP_UNREACHABLE;
	switch (outcome) {
	case TEL_TRANSPORT_NO_ANSWER:
	case TEL_TRANSPORT_NOT_IN_TIME: result->error = EXPORT_TIMEOUT; break;
	case TEL_TRANSPORT_NOT_HTTP: result->error = EXPORT_PROTOCOL; break;
	default: result->error = EXPORT_CONNECTION;
	}
	snprintf(result->answer.message, sizeof(result->answer.message), "%s", error);
}

static void send_request(struct otlp_http *http, const struct tel_request *request, struct otlp_result *result)
{
	const struct exporter_settings *settings = http->settings;
	struct tel_response response = {.body = http->answer, .size = ANSWER_MAX};

	http->deadline_ns = clock_monotonic_ns() + settings->timeout_ms * NS_PER_MS;
	enum tel_transport_outcome outcome = http->transport ? transport_send(http->transport, request, &response)
							     : settings->send(settings->send_arg, request, &response);
	/* what a program's own transport may have got wrong */
	response.body = http->answer;
	response.bytes = response.bytes < ANSWER_MAX ? response.bytes : ANSWER_MAX;
	response.content_type[sizeof(response.content_type) - 1] = response.error[sizeof(response.error) - 1] = '\0';
	if (outcome == TEL_TRANSPORT_ANSWERED && response.status >= 200 && response.status <= 599)
		by_status(&response, result);
	else
		by_outcome(outcome == TEL_TRANSPORT_ANSWERED ? TEL_TRANSPORT_NOT_HTTP : outcome, response.error,
			   result);
}

void otlp_http_post(struct otlp_http *http, const void *body, size_t bytes, struct otlp_result *result)
{
	struct tel_request request = {.url = http->settings->url,
				      .headers = http->headers,
				      .header_count = http->header_count,
				      .body = body,
				      .bytes = bytes,
				      .stop_fd = http->stop_fd,
				      .attempt = http};

	*result = (struct otlp_result){.outcome = OTLP_ACCEPTED};
	if (http->gzip) {
		if (!gzip_body(http->gzip, body, bytes, &http->zipped)) {
			by_outcome(TEL_TRANSPORT_NOT_HTTP, "memory is short", result);
			return;
		}
		request.body = http->zipped.data;
		request.bytes = http->zipped.len;
	}
	send_request(http, &request, result);
}
