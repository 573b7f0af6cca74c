/* SPDX-License-Identifier: MIT */
/* An HTTP server on a thread, which serves one connection at a time and answers as it is told. */
#ifndef APM_TESTS_TINY_SERVER_H
#define APM_TESTS_TINY_SERVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define TINY_HANG (-1)  /* for status: no answer at all */
#define TINY_CLOSE (-2) /* the connection is closed instead of an answer */

struct tiny_server {
	unsigned short port; /* 0 before the first start: any free one */
	atomic_int status;   /* of the answers */
	const char *body;    /* of the answers; NULL: none */
	/* Called with each request's body before it is answered; may be NULL. */
	void (*take)(const char *body, size_t bytes, int status);
	int listen_fd;
	atomic_bool stop, hangs; /* hangs: no answer will come */
	pthread_t thread;
	char *request;
};

/* Listens and serves, until tiny_stop. */
void tiny_start(struct tiny_server *s);
void tiny_stop(struct tiny_server *s);

#endif
