/* SPDX-License-Identifier: MIT */
/*
 * How long an answer is of use to anybody. nginx says when it passed the request on (APM_SENT_AT) and how long it waits
 * (APM_WAIT_MS); a service that calls this one says how long it waits (DEADLINE_HEADER). A request that cannot be
 * answered in time is refused before any work. The deadline is looked at again before the request stores something and
 * before it calls, so that a request which nginx has given up (504) has stored nothing.
 *
 * APM_SENT_AT comes from another process and is therefore of the wall clock. It is read once; from then on times are
 * monotonic. A request counts as just sent if its clock cannot be right: it is from the future, or older than nginx
 * waits although nginx still waits.
 */
#ifndef APM_HTTP_DEADLINE_H
#define APM_HTTP_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

struct request;
struct reply;

/* The header in which a caller says how many milliseconds it waits; the name is Envoy's. */
#define DEADLINE_HEADER "X-Envoy-Expected-Rq-Timeout-Ms"
#define DEADLINE_PARAM "HTTP_X_ENVOY_EXPECTED_RQ_TIMEOUT_MS" /* the same header as nginx passes it on */

struct deadline {
	uint64_t end_ns;       /* monotonic; a later answer may find nobody */
	uint64_t calls_end_ns; /* monotonic, at most end_ns; calls to other services end before it */
	uint64_t waited_ns;    /* from nginx to the thread that serves it */
	int fd;                /* of the connection, which the web server closes when it gives up; -1: unknown */
};

/* The facts that a deadline is made of. A text is NULL if it was not sent; whatever it says is bounded. */
struct deadline_said {
	const char *sent_at;       /* seconds since 1970 with a fraction, "1764408876.123" */
	const char *wait_ms;       /* how long nginx waits; 15000 if it is bad or absent */
	const char *caller_ms;     /* how long the caller waits, NULL if it is not trusted; it only shortens */
	uint64_t calls_budget_ns;  /* how long calls may take from now on */
	uint64_t realtime_ns, now; /* the present, of the wall clock and the monotonic one */
	int fd;
};

/*
 * Returns the deadline. A quarter of the wait, a second at most, is set aside for the commit and the way back. Pure,
 * except that it looks at the connection of a request that seems too old.
 */
struct deadline deadline_read(const struct deadline_said *said);

enum lateness {
	IN_TIME,
	LATE_QUEUED, /* it waited for a thread for longer than $QUEUE_TIMEOUT_MS (default 7000) */
	LATE_ENDED,  /* its time is up */
	LATE_GONE,   /* the web server has closed the connection: its client left, or was answered 504 */
	LATE_STORING /* one of these two, found right before the commit */
};

/* Judges a request before any work. Costs a look at the clock and a system call. */
enum lateness deadline_at_start(const struct deadline *deadline);

/* Judges a request later on, when its time in the queue does not count any more. Any thread. */
enum lateness deadline_now(const struct deadline *deadline);

/* Answers 503 with the reason and Retry-After, and counts it in http_server_refused_total. */
void reply_late(struct reply *reply, enum lateness lateness);

/* Reads QUEUE_TIMEOUT_MS and makes the series. Before threads start. */
void deadline_init(void);

#endif
