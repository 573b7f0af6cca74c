/* SPDX-License-Identifier: MIT */
#include "collector.h"

#include <arpa/inet.h>
#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "base/clock.h"

struct collector collector = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- what came ---- */

/* Spans in a message: fields 1 (resource_spans), 2 (scope_spans), 2 (spans). */
static size_t count_spans(const unsigned char *p, size_t bytes, int depth)
{
	static const unsigned wanted[] = {1, 2, 2};
	const unsigned char *end = p + bytes;
	size_t count = 0;

	while (p < end) {
		unsigned tag = *p++;
		size_t length = 0;
		assert((tag & 7) == 2); /* at these depths there is nothing else */
		for (unsigned shift = 0;; shift += 7) {
			length |= (size_t)(*p & 0x7f) << shift;
			if (!(*p++ & 0x80))
				break;
		}
		assert(length <= (size_t)(end - p));
		if (tag >> 3 == wanted[depth])
			count += depth == 2 ? 1 : count_spans(p, length, depth + 1);
		p += length;
	}
	return count;
}

static size_t spans_in(const struct collector_request *request)
{
	static unsigned char plain[8 << 20];
	z_stream z = {0};

	if (!strcasestr(request->head, "Content-Encoding: gzip"))
		return count_spans((const unsigned char *)request->body, request->bytes, 0);
	assert(inflateInit2(&z, 15 + 16) == Z_OK);
	z.next_in = (Bytef *)request->body;
	z.avail_in = (uInt)request->bytes;
	z.next_out = plain;
	z.avail_out = sizeof(plain);
	assert(inflate(&z, Z_FINISH) == Z_STREAM_END);
	size_t bytes = sizeof(plain) - z.avail_out;
	inflateEnd(&z);
	return count_spans(plain, bytes, 0);
}

/* ---- the server ---- */

/* False: the client is gone. */
static bool read_request(int fd, struct collector_request *request)
{
	size_t length = 0;

	memset(request, 0, sizeof(*request));
	while (!strstr(request->head, "\r\n\r\n")) {
		assert(length < sizeof(request->head) - 1);
		if (recv(fd, request->head + length, 1, 0) != 1)
			return false;
		length++;
	}
	const char *field = strcasestr(request->head, "Content-Length:");
	assert(field);
	request->bytes = strtoul(field + strlen("Content-Length:"), NULL, 10);
	request->body = malloc(request->bytes + 1);
	assert(request->body);
	return !request->bytes || recv(fd, request->body, request->bytes, MSG_WAITALL) == (ssize_t)request->bytes;
}

/* Takes the request's body. */
static void note_request(struct collector_request *request)
{
	request->spans = spans_in(request);
	request->at_ns = clock_monotonic_ns();
	pthread_mutex_lock(&collector.lock);
	if (collector.requests < COLLECTOR_REQUESTS_KEPT)
		collector.request[collector.requests] = *request;
	else
		free(request->body);
	collector.spans += request->spans;
	collector.requests++;
	pthread_mutex_unlock(&collector.lock);
}

/* Until the client gives up; collector_stop closes both ways as well. */
static void hang(int fd)
{
	atomic_store(&collector.hangs, true);
	while (poll(&(struct pollfd){.fd = fd, .events = POLLRDHUP}, 1, -1) != 1)
		;
	atomic_store(&collector.hangs, false);
}

static const struct step *next_step(void)
{
	pthread_mutex_lock(&collector.lock);
	size_t i = collector.requests - 1 < collector.steps ? collector.requests - 1 : collector.steps - 1;
	pthread_mutex_unlock(&collector.lock);
	return &collector.script[i];
}

static void serve_connection(int fd)
{
	struct collector_request request;

	while (read_request(fd, &request)) {
		note_request(&request);
		const struct step *step = next_step();
		if (step->reaction == HANG)
			hang(fd);
		if (step->reaction == RESET)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
		if (step->reaction != ANSWER || send(fd, step->answer, step->bytes, MSG_NOSIGNAL) < 0)
			return;
		if (strcasestr(step->answer, "Connection: close"))
			return;
	}
	free(request.body);
}

static void *serve(void *unused)
{
	int fd;

	(void)unused;
	while ((fd = accept(collector.listener, NULL, NULL)) >= 0) {
		pthread_mutex_lock(&collector.lock);
		collector.connections++;
		collector.connection = fd;
		bool stopping = collector.stopping;
		pthread_mutex_unlock(&collector.lock);
		if (!stopping)
			serve_connection(fd);
		pthread_mutex_lock(&collector.lock);
		collector.connection = -1;
		pthread_mutex_unlock(&collector.lock);
		close(fd);
		if (stopping)
			break;
	}
	return NULL;
}

void collector_reserve(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);

	collector.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	collector.connection = -1;
	assert(bind(collector.listener, (struct sockaddr *)&address, size) == 0);
	assert(getsockname(collector.listener, (struct sockaddr *)&address, &size) == 0);
	snprintf(collector.url, sizeof(collector.url), "http://127.0.0.1:%d", ntohs(address.sin_port));
	collector.connections = collector.requests = collector.spans = 0;
	collector.stopping = false;
}

void collector_serve(const struct step *script, size_t steps)
{
	collector.script = script;
	collector.steps = steps;
	assert(listen(collector.listener, 16) == 0);
	assert(pthread_create(&collector.thread, NULL, serve, NULL) == 0);
}

void collector_stop(void)
{
	if (collector.script) {
		pthread_mutex_lock(&collector.lock);
		collector.stopping = true;
		if (collector.connection >= 0)
			shutdown(collector.connection, SHUT_RDWR);
		pthread_mutex_unlock(&collector.lock);
		shutdown(collector.listener, SHUT_RDWR);
		pthread_join(collector.thread, NULL);
	}
	for (size_t i = 0; i < collector.requests && i < COLLECTOR_REQUESTS_KEPT; i++)
		free(collector.request[i].body);
	close(collector.listener);
	collector.script = NULL;
	collector.requests = 0;
}

size_t collector_seen(const size_t *counter)
{
	pthread_mutex_lock(&collector.lock);
	size_t value = *counter;
	pthread_mutex_unlock(&collector.lock);
	return value;
}
