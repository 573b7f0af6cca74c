/* POST /v1/traces (OTLP/HTTP 1.x): protobuf or JSON, as it is or gzip. */
#ifndef APM_TRACES_INGEST_H
#define APM_TRACES_INGEST_H

#include "http/reply.h"
#include "http/request.h"

#define INGEST_BODY_MAX (4 << 20) /* bytes, as sent */

/* Requests that are taken at a time; threads beyond these always answer searches. More are told 429. */
#define INGEST_MAX 6

/*
 * Stores the spans and answers 200; with a partial success when some are invalid, or of traces that are not kept (see
 * shed.h). 429 with Retry-After when too much comes at once: nothing of the request is stored then.
 */
int ingest_traces(struct request *req, struct reply *reply);

/* Before threads start: brings the metrics to /metrics. */
void ingest_init(void);

#endif
