/* SPDX-License-Identifier: MIT */
/*
 * OTLP/HTTP 1.x in: protobuf or JSON, as it is, gzip or deflate. Tempo's HTTP API out, as far as Grafana's data source
 * asks for it (grafana.com/docs/tempo, "Tempo HTTP API"). Handlers.
 */
#ifndef APM_TRACE_STORE_API_H
#define APM_TRACE_STORE_API_H

#include "http/reply.h"
#include "http/request.h"

#define API_BODY_MAX (4 << 20) /* bytes, as sent */

/*
 * POST /v1/traces: stores the spans and answers 200; with a partial success when some are invalid, over a limit
 * (limits.h), or of traces that are not kept (see load_shedding.h). 429 with Retry-After when too much comes at once:
 * nothing of the request is stored then.
 */
void ingest_traces(struct request *req, struct reply *reply);

/* POST /v1/metrics and /v1/logs: a full success, so that senders of all signals are content. Nothing is kept. */
void ingest_metrics(struct request *req, struct reply *reply);
void ingest_logs(struct request *req, struct reply *reply);

/* Before threads start: brings the metrics to /metrics. */
void api_ingest_init(void);

/* GET /api/traces/{id}, /api/v2/traces/{id}: JSON or protobuf, by Accept */
void get_trace(struct request *req, struct reply *reply);
void get_trace_v2(struct request *req, struct reply *reply);

/* GET /api/search?q=&tags=&minDuration=&maxDuration=&start=&end=&limit=&spss= */
void search_traces(struct request *req, struct reply *reply);

/* GET /api/search/tags, /api/v2/search/tags (by scope); ?scope=&q=&start=&end=&limit= */
void list_tags(struct request *req, struct reply *reply);
void list_tags_v2(struct request *req, struct reply *reply);

/* GET /api/search/tag/{name}/values, /api/v2/search/tag/{name}/values (with their types); ?q=&start=&end=&limit= */
void list_tag_values(struct request *req, struct reply *reply);
void list_tag_values_v2(struct request *req, struct reply *reply);

#endif
