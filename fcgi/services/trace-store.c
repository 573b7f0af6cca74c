/* SPDX-License-Identifier: MIT */
/*
 * The trace store: takes OTLP/HTTP as a collector does, keeps the newest traces, and answers to the part of Tempo's
 * HTTP API that Grafana needs. For machines without Tempo; makes no spans of its own.
 */
#include <errno.h>
#include <malloc.h>
#include <sys/resource.h>

#include "app/app.h"
#include "base/env.h"
#include "trace_store/ageing.h"
#include "trace_store/api.h"
#include "trace_store/api_query.h"
#include "trace_store/limits.h"
#include "trace_store/load_shedding.h"
#include "trace_store/trace_table.h"

#define NICENESS 5 /* requests come before their traces */

/* GET /api/echo */
static void get_echo(struct request *req, struct reply *reply)
{
	(void)req;
	buf_adds(&reply->body, "echo");
	reply->content_type = "text/plain";
	reply->status = 200;
}

/* GET and POST /api/metrics/… */
static void refuse_metrics(struct request *req, struct reply *reply)
{
	(void)req;
	reply_problem(reply, 501, "TraceQL metrics are not known here. Prometheus has the figures of the services.");
}

/* All are quiet: the trace store must not cause the traffic that it stores. */
static const struct route routes[] = {
	{"POST", "/v1/traces", ingest_traces, ROUTE_QUIET},
	{"POST", "/v1/metrics", ingest_metrics, ROUTE_QUIET},
	{"POST", "/v1/logs", ingest_logs, ROUTE_QUIET},
	{"GET", "/api/echo", get_echo, ROUTE_QUIET},
	{"GET", "/api/traces/{id}", get_trace, ROUTE_QUIET},
	{"GET", "/api/v2/traces/{id}", get_trace_v2, ROUTE_QUIET},
	{"GET", "/api/search", search_traces, ROUTE_QUIET},
	{"GET", "/api/search/tags", list_tags, ROUTE_QUIET},
	{"GET", "/api/v2/search/tags", list_tags_v2, ROUTE_QUIET},
	{"GET", "/api/search/tag/{name*}/values", list_tag_values, ROUTE_QUIET},
	{"GET", "/api/v2/search/tag/{name*}/values", list_tag_values_v2, ROUTE_QUIET},
	{"GET", "/api/metrics/query_range", refuse_metrics, ROUTE_QUIET},
	{"POST", "/api/metrics/query_range", refuse_metrics, ROUTE_QUIET},
	{"GET", "/api/metrics/query", refuse_metrics, ROUTE_QUIET},
	{"POST", "/api/metrics/query", refuse_metrics, ROUTE_QUIET},
	{"GET", "/api/metrics/summary", refuse_metrics, ROUTE_QUIET},
	{0},
};

/* ---- start and stop ---- */

ENV_SETTING(max_mb, .name = "TRACES_MAX_MB", .unit = "MiB", .fallback = 256, .min = 32, .max = 65536);
ENV_SETTING(max_age, .name = "TRACES_MAX_AGE_SECONDS", .unit = "seconds", .fallback = 3600, .min = 1, .max = 604800);
ENV_SETTING(max_rate, .name = "TRACES_SPANS_PER_SECOND", .unit = "spans", .fallback = 5000, .min = 1, .max = 1000000);

static int start(struct database *database)
{
	trace_table_init(env_number(&max_mb) << 20, env_number(&max_age) * 1000);
	load_shedding_init((size_t)env_number(&max_rate));
	api_ingest_init();
	api_query_init();
	mallopt(M_MMAP_THRESHOLD, 1 << 20); /* what a large trace takes goes back to the system when it is answered */
	setpriority(PRIO_PROCESS, 0, NICENESS); /* of this thread, and of those that it starts */
	if (!database_forgo_durability(database))
		return -EIO;
	return ageing_start(database);
}

static const struct app app = {
	.service_name = "trace-store",
	.database = "traces",
	.cache = true,
	.routes = routes,
	.threads = LIMIT_INGESTS + LIMIT_READS + 2, /* neither waits for the other, and health for none */
	.body_max = API_BODY_MAX,
	.settings = "  TRACES_MAX_MB [256]          size of the database, with its write-ahead log\n"
		    "  TRACES_MAX_AGE_SECONDS [3600]\n"
		    "  TRACES_SPANS_PER_SECOND [5000] that are stored; above that, only some traces\n",
	.no_exporter = true,
	.start = start,
	.stop = ageing_stop,
};

int main(int argc, char **argv)
{
	return app_main(&app, argc, argv);
}
