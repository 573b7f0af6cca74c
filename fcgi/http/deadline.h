/* SPDX-License-Identifier: MIT */
/*
 * Until when an answer is of use to somebody. nginx says when it turned to the program (APM_SENT_AT) and for how long
 * it waits (APM_WAIT_MS); a service that calls this one says for how long it does (Expected-Rq-Timeout below). A
 * request that cannot be answered in time is refused before it does anything, and asks again before it stores and
 * before it calls: what nginx has given up (504) has then stored nothing.
 *
 * APM_SENT_AT is of the wall clock, since it comes from another process; it is looked at once, and from then on times
 * are monotonic. A clock that was set, or that differs, is found out where it can be: a request "from the future", or
 * one older than nginx waits while nginx still waits, counts as just sent.
 */
#ifndef APM_HTTP_DEADLINE_H
#define APM_HTTP_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

struct request;
struct reply;

/* How long a caller waits, in milliseconds: Envoy's name for it. */
#define DEADLINE_HEADER "X-Envoy-Expected-Rq-Timeout-Ms"
#define DEADLINE_PARAM "HTTP_X_ENVOY_EXPECTED_RQ_TIMEOUT_MS" /* the same as nginx passes it on */

struct deadline {
	uint64_t end_ns;       /* monotonic; what is answered later may find nobody */
	uint64_t calls_end_ns; /* monotonic; calls to other services end before it: at end_ns or earlier */
	uint64_t waited_ns;    /* from nginx to the thread that serves it */
	int fd;                /* of the connection, which the web server closes when it gives up; -1: unknown */
};

/* What it is read from. Texts are NULL when they were not sent, and whatever they say is bounded. */
struct deadline_said {
	const char *sent_at;       /* seconds since 1970 with a fraction, "1764408876.123" */
	const char *wait_ms;       /* nginx's patience; bad or absent: 15000 */
	const char *caller_ms;     /* the caller's, NULL when the caller is not trusted; only shortens */
	uint64_t calls_budget_ns;  /* calls may take as long from now on */
	uint64_t realtime_ns, now; /* the present, of the wall clock and the monotonic one */
	int fd;
};

/*
 * Works the deadline out. A quarter of the wait, a second at most, is set aside for the commit and the way back. Pure
 * but for a look at the connection of a request that seems too old.
 */
struct deadline deadline_read(const struct deadline_said *said);

enum lateness {
	IN_TIME,
	LATE_QUEUED, /* it waited for a thread for longer than $QUEUE_TIMEOUT_MS (default 7000) */
	LATE_ENDED,  /* its time is up */
	LATE_GONE,   /* the web server has closed the connection: its client left, or was answered 504 */
	LATE_STORING /* one of these two, found right before it was stored: DB_LATE */
};

/* For a request that waits to be begun; a look at the clock and a system call. */
enum lateness deadline_at_start(const struct deadline *deadline);

/* The same later on, when the queue does not count any more. Any thread. */
enum lateness deadline_now(const struct deadline *deadline);

/* 503 with Retry-After, which says why; counted in http_server_refused_total. */
void reply_late(struct reply *reply, enum lateness lateness);

/* Before threads start: reads QUEUE_TIMEOUT_MS, makes the series. */
void deadline_init(void);

#endif
