/*
 * The trace store: takes OTLP/HTTP as a collector does, keeps the newest traces, and answers to the part of Tempo's
 * HTTP API that Grafana needs. For machines without Tempo; makes no spans of its own.
 */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "base/env.h"
#include "base/hex.h"
#include "http/app.h"
#include "http/reply_store.h"
#include "traces/ageing.h"
#include "traces/ingest.h"
#include "traces/limits.h"
#include "traces/rows.h"
#include "traces/schema.h"
#include "traces/search.h"
#include "traces/shed.h"
#include "traces/to_json.h"

#define NICENESS 5 /* requests go before their traces */

/* ---- one trace ---- */

/* Tempo leaves out leading zeros, and takes ids without them. */
static bool read_trace_id(const struct request *req, uint8_t trace_id[16])
{
	const char *text = req->match.segment[0];
	size_t digits = req->match.segment_bytes[0];

	memset(trace_id, 0, 16);
	if (digits > 32)
		return false;
	for (size_t i = 0; i < digits; i++) {
		size_t place = 32 - digits + i;
		int digit = hex_digit(text[i]);
		if (digit < 0)
			return false;
		trace_id[place / 2] |= (uint8_t)(place % 2 ? digit : digit << 4);
	}
	return true;
}

static bool wants_protobuf(const struct request *req)
{
	const char *accept = request_param(req, "HTTP_ACCEPT");
	return accept && strstr(accept, "application/protobuf");
}

static int reply_protobuf(struct reply *reply)
{
	if (reply->body.failed)
		return reply_problem(reply, 422, "The trace is too large to be shown.");
	reply->content_type = "application/protobuf";
	return reply->status = 200;
}

/* Trace{resource_spans=1}, which JSON calls batches; in version 2 TraceByIDResponse{trace=1}. */
static int reply_trace(const struct request *req, struct reply *reply, struct bytes trace, bool v2)
{
	struct json_writer *json = reply_writer(reply);

	if (wants_protobuf(req)) {
		if (v2)
			wire_add_bytes(&reply->body, 1, trace.data, trace.len);
		else
			buf_add(&reply->body, trace.data, trace.len);
		return reply_protobuf(reply);
	}
	json_begin_object(json);
	if (v2) {
		json_key(json, "trace");
		to_json(json, &schema_request, trace);
	} else {
		to_json_repeated(json, &schema_request, trace, REQUEST_RESOURCE_SPANS, "batches");
	}
	json_end_object(json);
	if (reply->body.failed)
		return reply_problem(reply, 422, "The trace is too large to be shown.");
	return reply_json(reply, 200);
}

static int find_trace(struct request *req, struct reply *reply, bool v2)
{
	uint8_t trace_id[16];
	BUF(trace, TRACE_BYTES_MAX);

	if (!req->db)
		return reply_unavailable(reply, "database");
	if (!read_trace_id(req, trace_id))
		return reply_problem(reply, 400, "A trace id has 32 hexadecimal digits at most.");
	enum db_result result = rows_trace(req->db, trace_id, &trace);
	if (result == DB_NOT_FOUND)
		return reply_problem(reply, 404, "There is no such trace.");
	if (result != DB_OK)
		return reply_store(reply, result);
	if (trace.failed)
		return reply_problem(reply, 422, "The trace is too large to be shown.");
	return reply_trace(req, reply, (struct bytes){trace.data, trace.len}, v2);
}

/* GET /api/traces/{id} */
static int get_trace(struct request *req, struct reply *reply)
{
	return find_trace(req, reply, false);
}

/* GET /api/v2/traces/{id} */
static int get_trace_v2(struct request *req, struct reply *reply)
{
	return find_trace(req, reply, true);
}

/* GET /api/echo */
static int get_echo(struct request *req, struct reply *reply)
{
	(void)req;
	buf_adds(&reply->body, "echo");
	reply->content_type = "text/plain";
	return reply->status = 200;
}

/* Quiet, all of them: a trace store must not be the reason for what it stores. */
static const struct route routes[] = {
	{"POST", "/v1/traces", ingest_traces, ROUTE_QUIET},
	{"POST", "/v1/metrics", ingest_metrics, ROUTE_QUIET},
	{"POST", "/v1/logs", ingest_logs, ROUTE_QUIET},
	{"GET", "/api/echo", get_echo, ROUTE_QUIET},
	{"GET", "/api/traces/{id}", get_trace, ROUTE_QUIET},
	{"GET", "/api/v2/traces/{id}", get_trace_v2, ROUTE_QUIET},
	{"GET", "/api/search", search_traces, ROUTE_QUIET},
	{"GET", "/api/search/tags", search_tags, ROUTE_QUIET},
	{"GET", "/api/v2/search/tags", search_tags_v2, ROUTE_QUIET},
	{"GET", "/api/search/tag/{name}/values", search_tag_values, ROUTE_QUIET},
	{"GET", "/api/v2/search/tag/{name}/values", search_tag_values_v2, ROUTE_QUIET},
	{0},
};

/* ---- start and stop ---- */

ENV_SETTING(max_mb, .name = "TRACES_MAX_MB", .unit = "MiB", .fallback = 256, .min = 32, .max = 65536);
ENV_SETTING(max_age, .name = "TRACES_MAX_AGE_SECONDS", .unit = "seconds", .fallback = 3600, .min = 1, .max = 604800);
ENV_SETTING(max_rate, .name = "TRACES_SPANS_PER_SECOND", .unit = "spans", .fallback = 5000, .min = 1, .max = 1000000);

static int start(struct store *store)
{
	rows_init(env_number(&max_mb) << 20, env_number(&max_age) * 1000);
	shed_init((size_t)env_number(&max_rate));
	ingest_init();
	setpriority(PRIO_PROCESS, 0, NICENESS); /* of this thread, and of those that it starts */
	if (!store_forgo_durability(store))
		return -EIO;
	if (rows_start_clock(store) != DB_OK)
		return -EIO;
	return ageing_start(store);
}

static const struct app app = {
	.service_name = "trace-store",
	.database = "traces",
	.cache = true,
	.routes = routes,
	.threads = LIMIT_INGESTS + LIMIT_READS + 2, /* neither waits for the other, and health for none */
	.body_max = INGEST_BODY_MAX,
	.settings = "  TRACES_MAX_MB [256]          size of the database, with its write-ahead log\n"
		    "  TRACES_MAX_AGE_SECONDS [3600]\n"
		    "  TRACES_SPANS_PER_SECOND [5000] that are stored; of more, a share of the traces\n",
	.no_exporter = true,
	.start = start,
	.stop = ageing_stop,
};

int main(int argc, char **argv)
{
	return app_main(&app, argc, argv);
}
