/* SPDX-License-Identifier: MIT */
/* Reads a line of nginx's JSON access log (nginx/log.conf). Pure. */
#ifndef APM_GATEWAY_ACCESS_LOG_H
#define APM_GATEWAY_ACCESS_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/json_scan.h"

#define ACCESS_ATTEMPTS_MAX 16 /* of one request are kept; nginx is configured for fewer */

/* An attempt of nginx to have the request answered by a program. */
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
	bool resampled;            /* the flags do not depend on the trace id: a threshold in trace_state is wrong */
	int status;                /* 0: nothing was answered */
	int port;                  /* 0: unknown */
	uint64_t end_ns;           /* realtime, whole milliseconds, rounded down */
	uint64_t duration_ns;
	uint64_t upstream_start_ns; /* realtime, like end_ns: when the first attempt began; 0: not logged */
	/* Texts inside the line, NUL-terminated, "" when the key was missing. */
	struct slice trace_state; /* as it came, not validated */
	struct slice method, route, path, query, host, scheme, client, user_agent, protocol;
	size_t attempt_count;
	struct access_attempt attempts[ACCESS_ATTEMPTS_MAX]; /* in order */
};

/*
 * Parses one line, without its newline, in place: strings are unescaped and terminated where they stand, so `line` is
 * used up and `out` points into it. Any bytes may come, and those that are not UTF-8 stay as they are. Unknown keys are
 * ignored, and the order of keys is free (nginx's own is fastest). Returns false unless the line is a JSON object of
 * scalars with valid trace_id, span_id, status, duration_ms and msec.
 *
 * When a full disk has cut a line off, the next one continues it: this gives the next one then, and sets *cut.
 */
bool access_log_parse(char *line, size_t len, struct access_line *out, bool *cut);

#endif
