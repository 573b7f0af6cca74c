/* SPDX-License-Identifier: MIT */
/* Tempo's HTTP API as far as Grafana's data source asks for it (grafana.com/docs/tempo, "Tempo HTTP API"): handlers. */
#ifndef APM_TRACE_STORE_SEARCH_H
#define APM_TRACE_STORE_SEARCH_H

#include "http/reply.h"
#include "http/request.h"

/* GET /api/traces/{id}, /api/v2/traces/{id}: JSON or protobuf, by Accept */
int search_trace(struct request *req, struct reply *reply);
int search_trace_v2(struct request *req, struct reply *reply);

/* GET /api/search?q=&tags=&minDuration=&maxDuration=&start=&end=&limit=&spss= */
int search_traces(struct request *req, struct reply *reply);

/* GET /api/search/tags, /api/v2/search/tags (by scope); ?scope=&q=&start=&end=&limit= */
int search_tags(struct request *req, struct reply *reply);
int search_tags_v2(struct request *req, struct reply *reply);

/* GET /api/search/tag/{name}/values, /api/v2/search/tag/{name}/values (with their types); ?q=&start=&end=&limit= */
int search_tag_values(struct request *req, struct reply *reply);
int search_tag_values_v2(struct request *req, struct reply *reply);

#endif
