/* SPDX-License-Identifier: MIT */
/*
 * A collector is an HTTP server on a thread that takes ExportTraceServiceRequests and counts their spans. It answers as
 * a script says, a step for each request, and goes on with the script's last step. It serves one connection at a time.
 */
#ifndef APM_TESTS_COLLECTOR_H
#define APM_TESTS_COLLECTOR_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum reaction { ANSWER, RESET, CLOSE, HANG };

struct step {
	enum reaction reaction;
	const char *answer; /* all of it, as sent */
	size_t bytes;
};

#define SAY(text) ((struct step){ANSWER, text, sizeof(text) - 1})
#define OK_EMPTY SAY("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
#define STATUS(line) SAY("HTTP/1.1 " line "\r\nContent-Length: 0\r\n\r\n")
#define COLLECTOR_REQUESTS_KEPT 64

struct collector_request {
	char head[2048];
	char *body;
	size_t bytes; /* as sent */
	size_t spans;
	uint64_t at_ns; /* monotonic */
};

struct collector {
	int listener, connection;
	char url[64];
	pthread_t thread;
	const struct step *script;
	size_t steps;
	pthread_mutex_t lock;
	bool stopping;
	atomic_bool hangs; /* no answer will come */
	/* under the lock */
	size_t connections, requests, spans;
	struct collector_request request[COLLECTOR_REQUESTS_KEPT]; /* the first ones */
};

extern struct collector collector;

/* Takes a free port, without listening yet: connections are refused. */
void collector_reserve(void);

/* Starts to serve on the reserved port. `script` must stay. */
void collector_serve(const struct step *script, size_t steps);

/* Ends the connection and the thread, and forgets the requests. */
void collector_stop(void);

/* Returns the present value of one of the collector's counters. */
#define SEEN(counter) collector_seen(&collector.counter)
size_t collector_seen(const size_t *counter);

#endif
