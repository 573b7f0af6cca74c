/* SPDX-License-Identifier: MIT */
#include "http/deadline.h"

#include <poll.h>

#include "base/clock.h"
#include "base/env.h"
#include "http/reply.h"
#include "tel/tel.h"

#define WAIT_MS 15000       /* how long a web server waits that does not say it */
#define WAIT_MAX_MS 3600000 /* a longer wait is not believed */
#define MARGIN_MAX_MS 1000  /* for the commit and the way back */

TEL_COUNTER(refused, "http.server.refused", "{request}", "HTTP server requests that were refused before any work.",
	    "reason");

ENV_SETTING(queue_timeout, .name = "QUEUE_TIMEOUT_MS", .unit = "milliseconds", .fallback = 7000, .min = 1,
	    .max = 60000);

static uint64_t queue_limit_ns = 7000 * NS_PER_MS;

static const char *const reasons[] = {
	[LATE_QUEUED] = "queue", [LATE_ENDED] = "deadline", [LATE_GONE] = "client_gone", [LATE_STORING] = "commit"};

void deadline_init(void)
{
	queue_limit_ns = (uint64_t)env_number(&queue_timeout) * NS_PER_MS;
	for (enum lateness lateness = LATE_QUEUED; lateness <= LATE_STORING; lateness++)
		tel_series(&refused, reasons[lateness]);
}

/* ---- reading ---- */

/* Returns "1764408876.123" in nanoseconds, 0 if the text is no time. */
static uint64_t parse_time(const char *text)
{
	uint64_t ns = 0, unit = NS_PER_SECOND;
	int digits = 0;

	if (!text)
		return 0;
	for (; *text >= '0' && *text <= '9'; text++, digits++)
		ns = ns * 10 + (uint64_t)(*text - '0');
	if (digits == 0 || digits > 10)
		return 0;
	ns *= unit;
	if (*text == '.')
		for (text++; *text >= '0' && *text <= '9'; text++) {
			unit /= 10;
			ns += (uint64_t)(*text - '0') * unit;
		}
	return *text == '\0' ? ns : 0;
}

static uint64_t parse_ms(const char *text, uint64_t fallback)
{
	long ms;

	return text && env_parse_number(text, 0, WAIT_MAX_MS, &ms) ? (uint64_t)ms : fallback;
}

/* Returns true if the other side has closed the UNIX socket; not if only this side has stopped reading, to drain. */
static bool is_closed(int fd)
{
	struct pollfd connection = {.fd = fd};

	return fd >= 0 && poll(&connection, 1, 0) == 1 && (connection.revents & (POLLHUP | POLLERR)) != 0;
}

/* A web server that is still there cannot have waited for longer than it waits: then the clocks differ, and the request
 * counts as just sent. */
static uint64_t waited(const struct deadline_said *said, uint64_t wait_ns)
{
	uint64_t sent_ns = parse_time(said->sent_at);
	uint64_t ns = sent_ns && sent_ns < said->realtime_ns ? said->realtime_ns - sent_ns : 0;

	return ns > wait_ns && !is_closed(said->fd) ? 0 : ns;
}

struct deadline deadline_read(const struct deadline_said *said)
{
	uint64_t wait_ms = parse_ms(said->wait_ms, WAIT_MS);
	wait_ms = wait_ms ? wait_ms : WAIT_MS;
	uint64_t caller_ms = parse_ms(said->caller_ms, wait_ms);

	if (caller_ms < wait_ms)
		wait_ms = caller_ms;
	uint64_t waited_ns = waited(said, wait_ms * NS_PER_MS);
	uint64_t margin_ms = wait_ms / 4 < MARGIN_MAX_MS ? wait_ms / 4 : MARGIN_MAX_MS;
	uint64_t usable_ns = (wait_ms - margin_ms) * NS_PER_MS;
	uint64_t left_ns = usable_ns > waited_ns ? usable_ns - waited_ns : 0;
	return (struct deadline){
		.end_ns = said->now + left_ns,
		.calls_end_ns = said->now + (left_ns < said->calls_budget_ns ? left_ns : said->calls_budget_ns),
		.waited_ns = waited_ns,
		.fd = said->fd,
	};
}

/* ---- looking ---- */

enum lateness deadline_now(const struct deadline *deadline)
{
	if (is_closed(deadline->fd))
		return LATE_GONE;
	return clock_monotonic_ns() < deadline->end_ns ? IN_TIME : LATE_ENDED;
}

enum lateness deadline_at_start(const struct deadline *deadline)
{
	enum lateness lateness = deadline_now(deadline);

	return !lateness && deadline->waited_ns > queue_limit_ns ? LATE_QUEUED : lateness;
}

void reply_late(struct reply *reply, enum lateness lateness)
{
	static const char *const details[] = {
		[LATE_QUEUED] = "The request waited too long for its turn, and nothing was done. Try again.",
		[LATE_ENDED] = "The request cannot be answered in time any more, and nothing was stored. Try again.",
		[LATE_GONE] = "Nobody waits for the answer any more, and nothing was stored.",
		[LATE_STORING] = "The request could not be stored in time, and nothing was stored. Try again.",
	};

	tel_series_add(tel_series(&refused, reasons[lateness]), 1);
	reply_header(reply, "Retry-After", "1");
	reply_problem(reply, 503, "%s", details[lateness]);
}
