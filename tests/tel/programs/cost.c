/* SPDX-License-Identifier: MIT */
/*
 * What the library costs its user, by its public interface: `make tel-cost` builds and runs it. The figures in
 * fcgi/tel/README.md come from here.
 *
 * It is its own collector, a thread that answers 200 to whatever comes. Operations run in bursts that the queue has
 * room for, with a pause after each in which it empties, so that nothing is dropped. A figure is the median of the
 * bursts.
 */
#define _GNU_SOURCE
#include "tel.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BURST = 400, BURSTS = 101, PAUSE_MS = 20 };

TEL_COUNTER(operations, "cost.operations", "{operation}", "Operations.");
TEL_HISTOGRAM(durations, "cost.duration", "s", "Durations.", tel_http_bounds, "http.route");

/* ---- a collector ---------------------------------------------------------------------------------------------------
 */

static void *collect(void *arg)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
	static char request[1 << 21];
	int listener = *(int *)arg;

	for (;;) {
		int connection = accept(listener, NULL, NULL);
		size_t have = 0;
		ssize_t count;
		while ((count = read(connection, request + have, sizeof(request) - 1 - have)) > 0) {
			have += (size_t)count;
			request[have] = '\0';
			const char *end = strstr(request, "\r\n\r\n");
			const char *length = strcasestr(request, "\r\ncontent-length: ");
			if (end && length && have >= (size_t)(end + 4 - request) + strtoul(length + 18, NULL, 10)) {
				if (write(connection, answer, sizeof(answer) - 1) < 0)
					break;
				have = 0;
			}
		}
		close(connection);
	}
	return NULL;
}

static int start_collector(void)
{
	static int listener;
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	char url[64];
	pthread_t thread;

	listener = socket(AF_INET, SOCK_STREAM, 0);
	if (listener < 0 || bind(listener, (void *)&address, size) || listen(listener, 8) ||
	    getsockname(listener, (void *)&address, &size) || pthread_create(&thread, NULL, collect, &listener))
		return -1;
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", ntohs(address.sin_port));
	setenv("OTEL_BSP_SCHEDULE_DELAY", "1", 1);
	return setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url, 1);
}

/* ---- what is measured ----------------------------------------------------------------------------------------------
 */

static void span_of_one_attribute(void)
{
	TEL_SPAN(span, "span", TEL_INTERNAL);
	tel_span_set(span, tel_int("number", 1));
}

static void span_of_ten_attributes(void)
{
	TEL_SPAN(span, "request", TEL_SERVER);
	tel_span_rename(span, "GET", "/api/v1/users/{id}");
	tel_span_set(span, tel_lit("http.request.method", "GET"), tel_str("http.route", "/api/v1/users/{id}"),
		     tel_str("url.path", "/api/v1/users/17"), tel_lit("url.scheme", "http"),
		     tel_int("http.response.status_code", 200), tel_str("server.address", "localhost"),
		     tel_int("server.port", 8080), tel_str("client.address", "127.0.0.1"),
		     tel_str("user_agent.original", "curl/7.88.1"), tel_lit("network.protocol.version", "1.1"));
}

static void count(void)
{
	tel_counter_add(&operations, 1);
}

static void observe(void)
{
	tel_histogram_record(&durations, 0.0042, "/api/v1/users/{id}");
}

static void log_line(void)
{
	tel_info("request", tel_lit("method", "GET"), tel_str("route", "/api/v1/users/{id}"), tel_int("status", 200));
}

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return 1e9 * (double)now.tv_sec + (double)now.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
	double first = *(const double *)a, second = *(const double *)b;

	return (first > second) - (first < second);
}

static void measure(const char *name, void (*operation)(void))
{
	const struct timespec pause = {0, PAUSE_MS * 1000000L};
	double ns[BURSTS];

	for (int burst = 0; burst < BURSTS; burst++) {
		double start = now_ns();
		for (int i = 0; i < BURST; i++)
			operation();
		ns[burst] = (now_ns() - start) / BURST;
		nanosleep(&pause, NULL);
	}
	qsort(ns, BURSTS, sizeof(ns[0]), ascending);
	printf("%-40s %6.0f ns\n", name, ns[BURSTS / 2]);
}

static long resident_kib(void)
{
	FILE *file = fopen("/proc/self/smaps_rollup", "r");
	char line[256];
	long kib = 0;

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, "Anonymous:", 10))
			kib = strtol(line + 10, NULL, 10);
	if (file)
		fclose(file);
	return kib;
}

/* ---- that nothing was left out -------------------------------------------------------------------------------------
 */

static char exposition[1 << 17];

static bool keep(void *arg, const char *text, size_t bytes)
{
	size_t *have = arg;

	if (*have + bytes >= sizeof(exposition))
		return false;
	memcpy(exposition + *have, text, bytes);
	*have += bytes;
	return true;
}

/* Returns the sum of what /metrics says under the names that have `word` in them; -1 when it cannot be read. */
static double total(const char *word)
{
	size_t have = 0;
	double sum = 0;
	char *rest = exposition;

	if (!tel_metrics_write(tel_metrics_content_type(NULL), keep, &have))
		return -1;
	exposition[have] = '\0';
	for (char *line; (line = strsep(&rest, "\n"));)
		if (line[0] != '#' && strstr(line, word))
			sum += strtod(strrchr(line, ' '), NULL);
	return sum;
}

int main(void)
{
	long before = resident_kib();
	double start = now_ns();

	if (start_collector() || tel_init(&(struct tel_config){.service_name = "cost"}))
		return 1;
	printf("%-40s %6.1f ms\n", "tel_init", (now_ns() - start) / 1e6);
	measure("a span with one attribute", span_of_one_attribute);
	measure("a span with ten attributes", span_of_ten_attributes);
	measure("a counter", count);
	measure("a histogram, its series looked up", observe);
	measure("a log line", log_line);
	printf("%-40s %6ld KiB\n", "memory of its own after all that", resident_kib() - before);
	double dropped = total("dropped_total");
	printf("%-40s %6.0f of %.0f\n", "spans and lines dropped", dropped, total("otel_sdk_span_started_total"));
	tel_shutdown(5000);
	return dropped != 0;
}
