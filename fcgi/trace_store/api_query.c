/* SPDX-License-Identifier: MIT */
#include "trace_store/api_query.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/request_database.h"
#include "base/clock.h"
#include "tel/tel.h"
#include "trace_store/limits.h"

#define SECONDS_MAX (UINT64_MAX / NS_PER_SECOND - 1)

TEL_COUNTER(questions, "traces.questions", "{question}",
	    "Searches and other questions, by how they ended: whole, partial, refused.", "result");
TEL_COUNTER(steps, "traces.question.steps", "{step}", "Steps of looking through traces that questions took.");

static atomic_uint active;

void api_query_init(void)
{
	tel_series(&questions, "whole");
	tel_series(&questions, "partial");
	tel_series(&questions, "refused");
}

bool api_query_enter(void)
{
	if (atomic_fetch_add(&active, 1) < LIMIT_READS)
		return true;
	atomic_fetch_sub(&active, 1);
	return false;
}

void api_query_leave(void)
{
	atomic_fetch_sub(&active, 1);
}

bool api_query_start(struct api_query *q, struct request *req, struct reply *reply)
{
	if (!request_db(req)) {
		reply_unavailable(reply, "database");
		return false;
	}
	if (!api_query_enter()) {
		tel_series_add(tel_series(&questions, "refused"), 1);
		reply_header(reply, "Retry-After", "1");
		reply_problem(reply, 429, "%d questions are being answered, no more at a time. Try again.",
			      LIMIT_READS);
		return false;
	}
	q->req = req;
	q->selector.count = q->selector.program_len = 0;
	q->selector.each_alone = false;
	q->from_ns = 0;
	q->until_ns = UINT64_MAX;
	q->limit = q->traces = q->bytes = 0;
	q->partial = false;
	trace_reader_init(&q->reader, request_db(req));
	budget_init(&q->budget, BUDGET_STEPS, BUDGET_NS);
	trace_init(&q->trace, &q->budget);
	return true;
}

void api_query_end(struct api_query *q)
{
	api_query_leave();
	tel_series_add(tel_series(&questions, q->partial || q->budget.spent ? "partial" : "whole"), 1);
	tel_counter_add(&steps, (double)q->budget.steps);
	trace_done(&q->trace);
	trace_reader_done(&q->reader);
	selector_done(&q->selector);
}

/* ---- parameters ---- */

bool api_query_number(struct api_query *q, struct reply *reply, const char *name, uint64_t max, uint64_t *out)
{
	char text[24];
	int found = request_query(q->req, name, text, sizeof(text));

	if (found == 0 || (found == 1 && !*text))
		return true;
	if (found < 0 || text[strspn(text, "0123456789")] != '\0') {
		reply_problem(reply, 400, "%s must be a number.", name);
		return false;
	}
	*out = strtoull(text, NULL, 10);
	if (*out > max)
		*out = max;
	return true;
}

bool api_query_range(struct api_query *q, struct reply *reply, uint64_t limit, uint64_t limit_max)
{
	uint64_t start = 0, end = SECONDS_MAX;

	q->limit = limit;
	if (!api_query_number(q, reply, "limit", limit_max, &q->limit) ||
	    !api_query_number(q, reply, "start", SECONDS_MAX, &start) ||
	    !api_query_number(q, reply, "end", SECONDS_MAX, &end))
		return false;
	q->from_ns = start * NS_PER_SECOND;
	q->until_ns = end == SECONDS_MAX ? UINT64_MAX : (end + 1) * NS_PER_SECOND; /* to the end of that second */
	return true;
}

bool api_query_selector(struct api_query *q, struct reply *reply, bool with_tags)
{
	char text[SELECTOR_TEXT_MAX];
	struct selector_error error = {"The query is too long, or has a broken escape."};
	int found = request_query(q->req, "q", text, sizeof(text));

	if (found == 1 && *text) {
		if (selector_parse(&q->selector, text, &error))
			return true;
	} else if (found >= 0) {
		found = with_tags ? request_query(q->req, "tags", text, sizeof(text)) : 0;
		if (found == 0 || (found == 1 && selector_parse_tags(&q->selector, text, &error)))
			return true;
	}
	reply_problem(reply, 400, "%s", error.text);
	return false;
}

/* ---- the traces ---- */

bool api_query_next(struct api_query *q)
{
	bool found = trace_reader_next(&q->reader, q->trace_id, &q->trace);

	q->partial |= q->budget.spent;
	if (found) {
		q->traces++;
		q->bytes += q->trace.bytes;
		q->partial |= q->trace.cut;
	}
	return found;
}

void api_query_write_metrics(const struct api_query *q, struct json_writer *json, bool with_traces)
{
	char text[24];

	json_key(json, "metrics");
	json_begin_object(json);
	if (with_traces) {
		json_key(json, "inspectedTraces");
		json_int(json, (int64_t)q->traces);
	}
	json_key(json, "inspectedBytes");
	json_string(json, text, (size_t)snprintf(text, sizeof(text), "%" PRIu64, q->bytes));
	json_key(json, "totalJobs");
	json_int(json, 1);
	json_key(json, "completedJobs");
	json_int(json, !q->partial && !q->budget.spent);
	json_end_object(json);
}
