/* SPDX-License-Identifier: MIT */
/* OTLP/HTTP 1.x: protobuf or JSON, as it is, gzip or deflate. */
#ifndef APM_TRACE_STORE_INGEST_H
#define APM_TRACE_STORE_INGEST_H

#include "http/reply.h"
#include "http/request.h"

#define INGEST_BODY_MAX (4 << 20) /* bytes, as sent */

/*
 * POST /v1/traces: stores the spans and answers 200; with a partial success when some are invalid, over a limit
 * (limits.h), or of traces that are not kept (see load_shedding.h). 429 with Retry-After when too much comes at once:
 * nothing of the request is stored then.
 */
int ingest_traces(struct request *req, struct reply *reply);

/* POST /v1/metrics and /v1/logs: a full success, so that senders of all signals are content. Nothing is kept. */
int ingest_metrics(struct request *req, struct reply *reply);
int ingest_logs(struct request *req, struct reply *reply);

/* Before threads start: brings the metrics to /metrics. */
void ingest_init(void);

#endif
