/* SPDX-License-Identifier: MIT */
/*
 * A server of libmicrohttpd that is traced and measured: GET / greets, GET /metrics is for Prometheus.
 *
 * Build: cc httpd_server.c $(pkg-config --cflags --libs tel libmicrohttpd)
 * Usage: httpd_server PORT. It ends when its standard input does.
 */
#define _POSIX_C_SOURCE 200809L // for clock_gettime
#include "tel.h"

#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

TEL_HISTOGRAM(duration, "http.server.request.duration", "s", "Duration of HTTP requests.", tel_http_bounds,
	      "http.route", "http.response.status_code");

/* ---- /metrics: the exposition in one piece of memory ---------------------------------------------------------------
 */

struct text {
	char *start;
	size_t bytes;
};

static bool append(void *arg, const char *piece, size_t bytes)
{
	struct text *text = arg;
	char *longer = realloc(text->start, text->bytes + bytes);

	if (!longer)
		return false;
	memcpy(longer + text->bytes, piece, bytes);
	text->start = longer;
	text->bytes += bytes;
	return true;
}

static enum MHD_Result answer_metrics(struct MHD_Connection *connection)
{
	/* Prometheus says which format it reads; the newer one has exemplars. */
	const char *type = tel_metrics_content_type(MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Accept"));
	struct text text = {NULL, 0};

	if (!tel_metrics_write(type, append, &text)) {
		free(text.start);
		return MHD_NO; /* no memory: the connection is closed */
	}
	struct MHD_Response *response = MHD_create_response_from_buffer(text.bytes, text.start, MHD_RESPMEM_MUST_FREE);
	MHD_add_response_header(response, "Content-Type", type);
	enum MHD_Result result = MHD_queue_response(connection, 200, response);
	MHD_destroy_response(response);
	return result;
}

/* ---- a request -----------------------------------------------------------------------------------------------------
 */

/* Offers each header to the library, which wants their names in lower case and ignores all but its own. */
static enum MHD_Result offer_header(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
	char lower[16]; /* longer than each of "traceparent", "tracestate", "baggage" */
	size_t length = strlen(name);

	(void)kind;
	if (length < sizeof(lower) && value) {
		for (size_t i = 0; i <= length; i++)
			lower[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 32 : name[i]);
		tel_parent_header(arg, lower, value);
	}
	return MHD_YES;
}

static double seconds_since(struct timespec start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - start.tv_sec) + 1e-9 * (double)(now.tv_nsec - start.tv_nsec);
}

static enum MHD_Result answer(void *arg, struct MHD_Connection *connection, const char *path, const char *method,
			      const char *version, const char *body, size_t *body_bytes, void **state)
{
	struct timespec start;

	(void)arg, (void)version, (void)body, (void)body_bytes, (void)state;
	clock_gettime(CLOCK_MONOTONIC, &start);
	if (!strcmp(path, "/metrics"))
		return answer_metrics(connection);

	/* The trace context of the caller's headers. It has to outlive the span, so it comes first. */
	struct tel_parent parent;
	tel_parent_init(&parent);
	MHD_get_connection_values(connection, MHD_HEADER_KIND, offer_header, &parent);
	tel_parent_end(&parent);

	/* Every path but one is not found. A route is one of few words, a path could be any text: name spans by route.
	 */
	bool found = !strcmp(path, "/");
	bool get = !strcmp(method, "GET");
	struct tel_span span;
	tel_span_start_remote(&span, "GET", TEL_SERVER, &parent);
	tel_span_rename(&span, get ? "GET" : "HTTP", found ? "/" : NULL);
	tel_span_set(&span, tel_lit("http.request.method", get ? "GET" : "_OTHER"), tel_lit("url.scheme", "http"),
		     tel_str("url.path", path), tel_int("http.response.status_code", found ? 200 : 404));
	if (found)
		tel_span_set(&span, tel_lit("http.route", "/"));

	const char *text = found ? "Hello.\n" : "There is nothing here.\n";
	struct MHD_Response *response = MHD_create_response_from_buffer(strlen(text), (void *)text,
									MHD_RESPMEM_PERSISTENT);
	enum MHD_Result result = MHD_queue_response(connection, found ? 200 : 404, response);
	MHD_destroy_response(response);

	if (result != MHD_YES)
		tel_span_fail(&span, "no_response"); /* a 404 is the client's mistake, not a failure of this server */
	tel_info("request", tel_str("url.path", path), tel_int("http.response.status_code", found ? 200 : 404));
	tel_histogram_record(&duration, seconds_since(start), found ? "/" : "", found ? "200" : "404");
	tel_span_end(&span);
	return result;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s PORT; it ends when its standard input does\n", argv[0]);
		return 2;
	}
	if (tel_init(&(struct tel_config){.service_name = "httpd-server"}))
		return 1;
	struct MHD_Daemon *daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ERROR_LOG,
						     (uint16_t)atoi(argv[1]), NULL, NULL, answer, NULL,
						     MHD_OPTION_THREAD_POOL_SIZE, 2u, MHD_OPTION_END);
	if (!daemon) {
		tel_error("the port cannot be used", tel_str("port", argv[1]));
		tel_shutdown(5000);
		return 1;
	}
	while (getchar() != EOF)
		;
	MHD_stop_daemon(daemon); /* the threads that make spans end before the library does */
	tel_shutdown(5000);
	return 0;
}
