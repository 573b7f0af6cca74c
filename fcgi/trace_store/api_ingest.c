/* SPDX-License-Identifier: MIT */
#include "trace_store/api.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "app/request_database.h"
#include "base/ascii.h"
#include "http/json_body.h"
#include "trace_store/inflate.h"
#include "trace_store/limits.h"
#include "trace_store/load_shedding.h"
#include "trace_store/request_split.h"
#include "trace_store/schema_from_json.h"
#include "trace_store/trace_table.h"

TEL_COUNTER(received, "traces.spans.received", "{span}", "Spans that came in requests.");
TEL_COUNTER(dropped, "traces.spans.dropped", "{span}", "Spans that were not stored, by reason.", "reason");
TEL_COUNTER(repeated, "traces.spans.repeated", "{span}",
	    "Spans that came again in the same words, and are stored once.");
TEL_COUNTER(refused, "traces.requests.refused", "{request}", "Requests that were not taken, by reason.", "reason");
TEL_COUNTER(unkept, "traces.requests.unkept", "{request}",
	    "Requests with metrics or logs, which are answered and not kept.", "signal");
TEL_GAUGE(stored, "traces.stored", "By", "Bytes of the database in use.");
TEL_GAUGE(share, "traces.kept.share", "", "Share of the traces that is kept.");

static atomic_uint active;

static void on_scrape(void)
{
	tel_gauge_set(&stored, (double)trace_table_bytes());
	tel_gauge_set(&share, load_shedding_share());
}

void api_ingest_init(void)
{
	tel_series(&dropped, "overload");
	tel_series(&dropped, "invalid");
	tel_series(&dropped, "limit");
	tel_series(&refused, "overload");
	tel_series(&refused, "invalid");
	tel_series(&refused, "store");
	tel_series(&unkept, "metrics");
	tel_series(&unkept, "logs");
	tel_metrics_hook(on_scrape);
}

/* ---- answers: in the language of the request (OTLP/HTTP) ---- */

/* google.rpc.Status{code=1,message=2} */
static void refuse(struct reply *reply, bool json, int status, const char *reason, const char *message)
{
	tel_series_add(tel_series(&refused, reason), 1);
	if (status == 429 || status == 503)
		reply_header(reply, "Retry-After", "1");
	snprintf(reply->reason, sizeof(reply->reason), "%s", message);
	if (!json) {
		protobuf_add_bytes(&reply->body, 2, message, strlen(message));
		reply->content_type = "application/x-protobuf";
		reply->status = status;
		return;
	}
	json_begin_object(&reply->json);
	json_key(&reply->json, "message");
	json_text(&reply->json, message);
	json_end_object(&reply->json);
	reply_json(reply, status);
}

/* ExportTraceServiceResponse{partial_success=1{rejected_spans=1,error_message=2}}, empty for a full success */
static void accept(struct reply *reply, bool json, size_t rejected, const char *message)
{
	if (!json) {
		if (rejected) {
			size_t partial = protobuf_begin(&reply->body, 1);
			protobuf_add_varint(&reply->body, 1, rejected);
			protobuf_add_bytes(&reply->body, 2, message, strlen(message));
			protobuf_end(&reply->body, partial);
		}
		reply->content_type = "application/x-protobuf";
		reply->status = 200;
		return;
	}
	json_begin_object(&reply->json);
	if (rejected) {
		char text[24];
		json_key(&reply->json, "partialSuccess");
		json_begin_object(&reply->json);
		json_key(&reply->json, "rejectedSpans");
		json_string(&reply->json, text, (size_t)snprintf(text, sizeof(text), "%zu", rejected));
		json_key(&reply->json, "errorMessage");
		json_text(&reply->json, message);
		json_end_object(&reply->json);
	}
	json_end_object(&reply->json);
	reply_json(reply, 200);
}

/* ---- taking ---- */

static bool is_stored(void *arg, const uint8_t trace_id[16])
{
	struct request *req = arg;
	struct trace_table_size size;

	struct db_connection *db = request_db(req);

	return db && trace_table_size(db, trace_id, &size) == DB_OK;
}

static bool keep(void *arg, const uint8_t trace_id[16], size_t spans)
{
	return load_shedding_keep(trace_id, spans, is_stored, arg);
}

static const char *why_rejected(const struct request_split *p, const struct trace_table_inserted *done)
{
	if (done->cut)
		return "A trace holds 20000 spans and 4 MiB of them and of their resources at most, a resource with "
		       "its "
		       "scope 512 KiB: what is over it is left out, and the trace is shown as cut off. Send less of a "
		       "trace, or more traces.";
	return p->spans_refused ? "More spans come than are kept: some traces are left out. TRACES_SPANS_PER_SECOND is "
				  "the limit."
				: "Spans without a trace id or a span id are left out.";
}

static void store_request(struct request *req, struct reply *reply, bool json, struct slice request)
{
	struct request_split p __attribute__((cleanup(request_split_done)));
	struct trace_table_inserted done = {0};
	enum request_split_result read = request_split_read(&p, request, keep, req);
	enum db_result result = DB_OK;

	if (read == REQUEST_SPLIT_TOO_LARGE)
		return refuse(reply, json, 413, "invalid", "The request has more than 8 MiB.");
	if (read == REQUEST_SPLIT_MALFORMED)
		return refuse(reply, json, 400, "invalid", "The body is not an ExportTraceServiceRequest.");
	if (p.index_count)
		result = trace_table_insert(request_database(), &p, &done);
	if (result == DB_BUSY)
		return refuse(reply, json, 429, "overload", "Too many spans come at a time.");
	if (result != DB_OK)
		return refuse(reply, json, 503, "store", "The spans cannot be stored.");
	tel_counter_add(&received, (double)p.spans);
	tel_counter_add(&repeated, (double)done.repeated);
	tel_series_add(tel_series(&dropped, "overload"), (double)p.spans_refused);
	tel_series_add(tel_series(&dropped, "invalid"), (double)p.spans_invalid);
	tel_series_add(tel_series(&dropped, "limit"), (double)done.cut);
	accept(reply, json, p.spans_invalid + p.spans_refused + done.cut, why_rejected(&p, &done));
}

static void refuse_json(struct reply *reply, const struct buf *message, const struct schema_json_fault *fault)
{
	char text[300];

	if (message->failed)
		return refuse(reply, true, 413, "invalid", "The request has more than 8 MiB.");
	snprintf(text, sizeof(text), "The body is not an ExportTraceServiceRequest in JSON: %s%s%s, at byte %zu.",
		 fault->member ? fault->member : "", fault->member ? " " : "", fault->why, fault->at);
	refuse(reply, true, 400, "invalid", text);
}

static void take_json(struct request *req, struct reply *reply, struct slice body)
{
	struct schema_json_fault fault;
	BUF(message, REQUEST_SPLIT_BYTES_MAX);

	if (!schema_from_json(&schema_request, body, &message, &fault))
		return refuse_json(reply, &message, &fault);
	return store_request(req, reply, true, (struct slice){message.data ? message.data : "", message.len});
}

static void take(struct request *req, struct reply *reply, bool json)
{
	const char *encoding = request_param(req, "HTTP_CONTENT_ENCODING");
	struct slice body = {req->body, req->body_len};
	BUF(inflated, REQUEST_SPLIT_BYTES_MAX);

	if (req->body_too_large)
		return refuse(reply, json, 413, "invalid", "The body has more than 4 MiB.");
	if (encoding && *encoding && !ascii_same(encoding, "identity")) {
		bool gzip = ascii_same(encoding, "gzip") || ascii_same(encoding, "x-gzip");
		if (!gzip && !ascii_same(encoding, "deflate")) {
			reply_header(reply, "Accept-Encoding", "gzip, deflate");
			return refuse(reply, json, 415, "invalid",
				      "Content-Encoding must be gzip, deflate (zlib) or absent.");
		}
		if (!inflate_body(gzip ? INFLATE_GZIP : INFLATE_ZLIB, body, &inflated))
			return inflated.failed ? refuse(reply, json, 413, "invalid", "The request has more than 8 MiB.")
					       : refuse(reply, json, 400, "invalid",
							"The body is not what its Content-Encoding says.");
		body = (struct slice){inflated.data ? inflated.data : "", inflated.len};
	}
	return json ? take_json(req, reply, body) : store_request(req, reply, false, body);
}

static bool is_protobuf(const char *content_type)
{
	static const char type[] = "application/x-protobuf";
	size_t len = sizeof(type) - 1;

	return ascii_same_start(content_type, type, len) && strchr("; \t", content_type[len]);
}

static void refuse_type(struct reply *reply)
{
	tel_series_add(tel_series(&refused, "invalid"), 1);
	reply_problem(reply, 415, "OTLP is application/x-protobuf or application/json.");
}

void ingest_traces(struct request *req, struct reply *reply)
{
	bool json = json_body_type(req->content_type);

	if (!json && !is_protobuf(req->content_type))
		return refuse_type(reply);
	if (atomic_fetch_add(&active, 1) < LIMIT_INGESTS)
		take(req, reply, json);
	else
		refuse(reply, json, 429, "overload", "Too many requests come at a time.");
	atomic_fetch_sub(&active, 1);
}

/* ---- signals that are not kept ---- */

/* The empty message of either kind is ExportMetricsServiceResponse and ExportLogsServiceResponse. */
static void pass_by(const struct request *req, struct reply *reply, const char *signal)
{
	bool json = json_body_type(req->content_type);

	if (!json && !is_protobuf(req->content_type))
		return refuse_type(reply);
	tel_series_add(tel_series(&unkept, signal), 1);
	accept(reply, json, 0, "");
}

void ingest_metrics(struct request *req, struct reply *reply)
{
	pass_by(req, reply, "metrics");
}

void ingest_logs(struct request *req, struct reply *reply)
{
	pass_by(req, reply, "logs");
}
