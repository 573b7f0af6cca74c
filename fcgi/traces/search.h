/* Tempo's HTTP API as far as Grafana's data source asks for it (grafana.com/docs/tempo, "Tempo HTTP API"): handlers. */
#ifndef APM_TRACES_SEARCH_H
#define APM_TRACES_SEARCH_H

#include "http/reply.h"
#include "http/request.h"

#define TRACE_BYTES_MAX (3 << 20) /* a trace that has more is not shown */

/* GET /api/search?q=&tags=&minDuration=&maxDuration=&start=&end=&limit=&spss= */
int search_traces(struct request *req, struct reply *reply);

/* GET /api/search/tags, /api/v2/search/tags (by scope) */
int search_tags(struct request *req, struct reply *reply);
int search_tags_v2(struct request *req, struct reply *reply);

/* GET /api/search/tag/{name}/values, /api/v2/search/tag/{name}/values (with their types) */
int search_tag_values(struct request *req, struct reply *reply);
int search_tag_values_v2(struct request *req, struct reply *reply);

#endif
