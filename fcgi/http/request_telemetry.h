/* SPDX-License-Identifier: MIT */
/* The telemetry of one request: its SERVER span, histogram and log line, and the headers that name them. */
#ifndef APM_HTTP_REQUEST_TELEMETRY_H
#define APM_HTTP_REQUEST_TELEMETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "http/reply.h"
#include "http/request.h"
#include "tel/tel.h"

/* On the stack of the thread that serves the request. */
struct request_telemetry {
	struct tel_span span;
	bool quiet; /* as health and metrics are: the answer has ids, and there is nothing else */
	uint64_t start_ns;
	const char *route; /* template, or "_unmatched" */
};

/*
 * Starts the span of a routed request and makes it current. `parent` is filled from the request's headers; it belongs
 * to the caller and must outlive the span. Tells `reply` the trace id.
 */
void request_telemetry_start(struct request_telemetry *t, const struct request *req, struct tel_parent *parent,
			     struct reply *reply);

/*
 * Records the outcome that `reply` holds and adds the headers X-Apm-Route, X-Trace-Id and Server-Timing. Before the
 * first byte goes out: a caller's span then encloses ours in time, and who has the answer finds what we know of it.
 */
void request_telemetry_end(struct request_telemetry *t, const struct request *req, struct reply *reply);

#endif
