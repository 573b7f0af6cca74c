/* SPDX-License-Identifier: MIT */
#include "tiny_server.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define TINY_REQUEST_MAX (8 << 20)

static bool tiny_readable(struct tiny_server *s, int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	while (!atomic_load(&s->stop))
		if (poll(&poll_fd, 1, 20) > 0)
			return true;
	return false;
}

/* Reads a request; the length of its body, or -1 when the connection ends. */
static ssize_t tiny_read(struct tiny_server *s, int fd, char **body)
{
	size_t bytes = 0;
	ssize_t length = -1;

	while (bytes + 1 < TINY_REQUEST_MAX && tiny_readable(s, fd)) {
		ssize_t got = read(fd, s->request + bytes, TINY_REQUEST_MAX - 1 - bytes);
		if (got <= 0)
			return -1;
		bytes += (size_t)got;
		s->request[bytes] = '\0';
		if (length < 0) {
			char *end = strstr(s->request, "\r\n\r\n");
			if (!end)
				continue;
			const char *header = strcasestr(s->request, "\r\nContent-Length:");
			length = header && header < end ? strtol(header + 17, NULL, 10) : 0;
			*body = end + 4;
		}
		if (bytes >= (size_t)(*body - s->request) + (size_t)length)
			return length;
	}
	return -1;
}

static void tiny_serve(struct tiny_server *s, int fd)
{
	char *body, answer[1024];
	ssize_t bytes;

	while ((bytes = tiny_read(s, fd, &body)) >= 0) {
		int status = atomic_load(&s->status);
		if (status == TINY_CLOSE)
			return;
		atomic_store(&s->hangs, status == TINY_HANG);
		while (status == TINY_HANG && !atomic_load(&s->stop)) {
			poll(NULL, 0, 10);
			status = atomic_load(&s->status);
		}
		atomic_store(&s->hangs, false);
		if (atomic_load(&s->stop))
			return;
		if (s->take)
			s->take(body, (size_t)bytes, status);
		int length = snprintf(answer, sizeof(answer), "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n\r\n%s", status,
				      s->body ? strlen(s->body) : 0, s->body ? s->body : "");
		if (send(fd, answer, (size_t)length, MSG_NOSIGNAL) != length)
			return;
	}
}

static void *tiny_run(void *arg)
{
	struct tiny_server *s = arg;

	while (tiny_readable(s, s->listen_fd)) {
		int one = 1, fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			continue;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		tiny_serve(s, fd);
		close(fd);
	}
	return NULL;
}

void tiny_start(struct tiny_server *s)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int one = 1;

	s->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(s->listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	address.sin_port = htons(s->port);
	if (bind(s->listen_fd, (struct sockaddr *)&address, size) || listen(s->listen_fd, 16) ||
	    getsockname(s->listen_fd, (struct sockaddr *)&address, &size)) {
		perror("tiny server");
		abort();
	}
	s->port = ntohs(address.sin_port);
	s->request = malloc(TINY_REQUEST_MAX);
	atomic_store(&s->stop, false);
	if (!s->request || pthread_create(&s->thread, NULL, tiny_run, s))
		abort();
}

void tiny_stop(struct tiny_server *s)
{
	atomic_store(&s->stop, true);
	pthread_join(s->thread, NULL);
	close(s->listen_fd);
	free(s->request);
}
