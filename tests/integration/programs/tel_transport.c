/* SPDX-License-Identifier: MIT */
/*
 * A program that brings its own HTTP client: ends one span, sends it and prints its trace id and the outcomes. With an
 * argument it ends while the span is being sent.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tel.h"

static char sent[1 << 20], received[1 << 16];
static sem_t called;

/* Waits until the socket is ready. False: there is no time left. */
static bool wait_for(int fd, short events, const struct tel_request *request)
{
	struct pollfd fds[] = {{.fd = fd, .events = events}, {.fd = request->stop_fd, .events = POLLIN}};

	for (;;) {
		int left_ms = (int)tel_request_left_ms(request);
		if (left_ms == 0)
			return false;
		poll(fds, 2, left_ms);
		if (fds[0].revents)
			return true;
		if (fds[1].revents)
			fds[1].fd = -1; /* known now */
	}
}

/* "http://127.0.0.1:PORT/PATH": a connection, and the path. -1: refused. */
static int connect_to(const char *url, const char **path)
{
	const char *port = strrchr(url, ':') + 1;
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				      .sin_port = htons((uint16_t)strtoul(port, (char **)path, 10))};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

static size_t write_request(const struct tel_request *request, const char *path)
{
	int bytes = sprintf(sent, "POST %s HTTP/1.0\r\nHost: localhost\r\nContent-Length: %zu\r\n", path,
			    request->bytes);

	for (size_t i = 0; i < request->header_count; i++)
		bytes += sprintf(sent + bytes, "%s: %s\r\n", request->headers[i].name, request->headers[i].value);
	bytes += sprintf(sent + bytes, "\r\n");
	memcpy(sent + bytes, request->body, request->bytes);
	return (size_t)bytes + request->bytes;
}

static enum tel_transport_outcome talk(int fd, size_t bytes, const struct tel_request *request,
				       struct tel_response *response)
{
	size_t length = 0;
	ssize_t got = 1;

	if (write(fd, sent, bytes) != (ssize_t)bytes)
		return TEL_TRANSPORT_UNREACHABLE;
	while (got > 0) {
		if (!wait_for(fd, POLLIN, request))
			return TEL_TRANSPORT_NO_ANSWER;
		got = read(fd, received + length, sizeof(received) - 1 - length);
		length += got > 0 ? (size_t)got : 0;
	}
	received[length] = '\0';
	const char *retry = strcasestr(received, "\nRetry-After: ");
	response->retry_after_seconds = retry ? (unsigned)strtoul(retry + 14, NULL, 10) : 0;
	return sscanf(received, "HTTP/1.%*d %ld", &response->status) == 1 ? TEL_TRANSPORT_ANSWERED
									  : TEL_TRANSPORT_NOT_HTTP;
}

static enum tel_transport_outcome send_it(void *arg, const struct tel_request *request, struct tel_response *response)
{
	unsigned *calls = arg;
	const char *path;
	int fd = connect_to(request->url, &path);
	enum tel_transport_outcome outcome = TEL_TRANSPORT_UNREACHABLE;

	++*calls;
	sem_post(&called);
	if (fd < 0) {
		snprintf(response->error, sizeof(response->error), "%s", strerror(errno));
	} else {
		outcome = talk(fd, write_request(request, path), request, response);
		close(fd);
	}
	printf("outcome %d status %ld\n", (int)outcome, response->status);
	return outcome;
}

int main(int argc, char **argv)
{
	unsigned calls = 0;

	(void)argv;
	sem_init(&called, 0, 0);
	if (tel_init(&(struct tel_config){.service_name = "somebody", .send = send_it, .send_arg = &calls}) != 0)
		return 1;
	{
		TEL_SPAN(span, "work", TEL_INTERNAL);
		struct tel_context context = tel_span_context(span);
		for (int i = 0; i < 16; i++)
			printf("%02x", context.trace_id[i]);
		puts("");
	}
	if (argc > 1)
		sem_wait(&called);
	tel_shutdown(argc > 1 ? 500 : 20000);
	printf("calls %u\n", calls);
	return 0;
}
