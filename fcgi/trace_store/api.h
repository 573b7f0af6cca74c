/* SPDX-License-Identifier: MIT */
/*
 * The handlers of the trace store. It takes OTLP/HTTP 1.x, in protobuf or JSON, plain or compressed by gzip or deflate,
 * and answers Tempo's HTTP API as far as Grafana's data source uses it (grafana.com/docs/tempo, "Tempo HTTP API").
 */
#ifndef APM_TRACE_STORE_API_H
#define APM_TRACE_STORE_API_H

#include "http/reply.h"
#include "http/request.h"

#define API_BODY_MAX (4 << 20) /* bytes of a request, before it is decompressed */

/*
 * POST /v1/traces: stores the spans and answers 200. The answer is a partial success if some spans are invalid, over a
 * limit (limits.h), or of traces that are not kept (load_shedding.h). It is 429 with Retry-After if too much comes at
 * once, and then nothing of the request is stored.
 */
void ingest_traces(struct request *req, struct reply *reply);

/* POST /v1/metrics and /v1/logs: answer success and keep nothing, so that SDKs that send all signals see no errors. */
void ingest_metrics(struct request *req, struct reply *reply);
void ingest_logs(struct request *req, struct reply *reply);

/* Declares the metrics, so that /metrics shows them before the first request. Call it before threads start. */
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
