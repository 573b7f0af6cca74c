/* SPDX-License-Identifier: MIT */
/* One line of nginx's JSON access log (nginx/log.conf) as facts. Pure. */
#ifndef APM_GATEWAY_ACCESS_LOG_H
#define APM_GATEWAY_ACCESS_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/json_scan.h"

#define ACCESS_ATTEMPTS_MAX 16 /* upstream attempts kept of one request; nginx is configured for fewer */

/* One try of nginx to have the request answered. */
struct access_attempt {
	struct slice address; /* as nginx writes it: "unix:/run/users.sock", "127.0.0.1:8081", or an upstream's name */
	int status;           /* 0: it did not answer */
	uint64_t duration_ns;
};

struct access_line {
	uint8_t trace_id[16];
	uint8_t span_id[8];
	uint8_t parent_span_id[8]; /* zero: a root */
	uint8_t client_span_id[8]; /* of the upstream attempt */
	uint8_t flags;             /* W3C trace-flags */
	bool resampled;            /* the flags do not depend on the trace id: a threshold in trace_state is not true */
	int status;                /* 0: nothing was answered */
	int port;                  /* 0: unknown */
	uint64_t end_ns;           /* realtime, whole milliseconds, rounded down */
	uint64_t duration_ns;
	uint64_t upstream_start_ns; /* realtime, like end_ns: when the first attempt began; 0: not logged */
	/* text inside the line: NUL-terminated, "" when the key was missing */
	struct slice trace_state; /* as it came: not judged yet */
	struct slice method, route, path, query, host, scheme, client, user_agent, protocol;
	size_t attempt_count;
	struct access_attempt attempts[ACCESS_ATTEMPTS_MAX]; /* in order */
};

/*
 * Parses one line, without its newline, in place: strings are unescaped and terminated where they stand, so `line` is
 * used up and `out` points into it. Any bytes may come, and what is not UTF-8 stays as it is. Unknown keys are ignored,
 * and the order of keys is free (nginx's own is fastest). False: not a JSON object of scalars, or without valid
 * trace_id, span_id, status, duration_ms and msec.
 *
 * A line that was cut off by a full disk and continued by the next one gives the next one; *cut tells that.
 */
bool access_log_parse(char *line, size_t bytes, struct access_line *out, bool *cut);

#endif
