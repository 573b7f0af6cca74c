/* SPDX-License-Identifier: MIT */
/*
 * A query for stored traces: its parameters, its budget, and its way through them. LIMIT_READS are answered at a time,
 * so that threads and processors are left for incoming spans; one more is refused at once.
 */
#ifndef APM_TRACE_STORE_API_QUERY_H
#define APM_TRACE_STORE_API_QUERY_H

#include "http/reply.h"
#include "http/request.h"
#include "trace_store/selection.h"
#include "trace_store/trace.h"
#include "trace_store/trace_reader.h"

struct api_query {
	struct request *req;
	struct budget budget;
	struct selector selector;
	uint64_t from_ns, until_ns; /* spans that begin before `until` and end after `from` */
	uint64_t limit;
	struct trace trace;   /* the one that api_query_next found */
	uint8_t trace_id[16]; /* its id */
	uint64_t traces, bytes;
	bool partial; /* the budget did not allow to look at all of it */
	struct trace_reader reader;
};

/* Declares the metrics, so that /metrics shows them before the first query. Call it before threads start. */
void api_query_init(void);

/*
 * Starts a query. Returns false if it has been answered (429 with Retry-After, or 503). End every other with
 * api_query_end, which counts it.
 */
bool api_query_start(struct api_query *q, struct request *req, struct reply *reply);
void api_query_end(struct api_query *q);

/*
 * Take and give back one of the LIMIT_READS places, for api_query_start and tests. Returns false if all are taken. Any
 * thread.
 */
bool api_query_enter(void);
void api_query_leave(void);

/* Reads start and end (seconds), and limit with its default. Returns false if the query has been answered (400). */
bool api_query_range(struct api_query *q, struct reply *reply, uint64_t limit, uint64_t limit_max);

/* Reads q, or `tags` if there is no q and `with_tags` is set. Returns false if the query has been answered (400). */
bool api_query_selector(struct api_query *q, struct reply *reply, bool with_tags);

/* Reads a number; *out stays if it is absent or empty. Returns false if the query has been answered (400). */
bool api_query_number(struct api_query *q, struct reply *reply, const char *name, uint64_t max, uint64_t *out);

/*
 * Loads the next trace; the first is the one that got spans last. Returns false after the last one, once the budget is
 * spent, and if `reader.result` is not DB_OK.
 */
bool api_query_next(struct api_query *q);

/* Returns true if the times overlap with the range of the query. */
static inline bool api_query_in_range(const struct api_query *q, uint64_t start_ns, uint64_t end_ns)
{
	return start_ns < q->until_ns && end_ns >= q->from_ns;
}

/* Writes the member `metrics` as Tempo does. Fewer completedJobs than totalJobs tell that the answer is incomplete. */
void api_query_write_metrics(const struct api_query *q, struct json_writer *json, bool with_traces);

#endif
