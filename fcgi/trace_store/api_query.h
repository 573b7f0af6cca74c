/* SPDX-License-Identifier: MIT */
/*
 * A question about the stored traces: its parameters, what it may cost, and its way through them. LIMIT_READS are
 * answered at a time, so that threads and processors are left for what comes in; one more is refused at once.
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
	uint64_t from_ns, until_ns; /* what began before `until` and ended after `from` is asked for */
	uint64_t limit;
	struct trace trace;   /* the one that api_query_next found */
	uint8_t trace_id[16]; /* its id */
	uint64_t traces, bytes;
	bool partial; /* there was more to look at than the budget allows */
	struct trace_reader reader;
};

/* Before threads start: brings the metrics to /metrics. */
void api_query_init(void);

/*
 * Begins one. False: it is answered (429 with Retry-After, or 503), do not end it. End every other with api_query_end,
 * which counts it.
 */
bool api_query_start(struct api_query *q, struct request *req, struct reply *reply);
void api_query_end(struct api_query *q);

/* The two halves of the gate, for api_query_start and tests. Any thread. */
bool api_query_enter(void);
void api_query_leave(void);

/* Reads start and end (seconds), and limit with its default. False: it is answered (400). */
bool api_query_range(struct api_query *q, struct reply *reply, uint64_t limit, uint64_t limit_max);

/* Reads q, or `tags` when there is none and `with_tags`. False: answered (400). */
bool api_query_selector(struct api_query *q, struct reply *reply, bool with_tags);

/* A number of the query; absent or empty, *out stays. False: answered (400). */
bool api_query_number(struct api_query *q, struct reply *reply, const char *name, uint64_t max, uint64_t *out);

/* The next trace, the one that got spans last first. False: no more, out of budget, or `reader.result` is not DB_OK. */
bool api_query_next(struct api_query *q);

/* True: the times overlap with what is asked for. */
static inline bool api_query_in_range(const struct api_query *q, uint64_t start_ns, uint64_t end_ns)
{
	return start_ns < q->until_ns && end_ns >= q->from_ns;
}

/* The member `metrics` as Tempo has it; fewer completedJobs than totalJobs say that the answer is not all. */
void api_query_write_metrics(const struct api_query *q, struct json_writer *json, bool with_traces);

#endif
