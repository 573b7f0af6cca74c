/* SPDX-License-Identifier: MIT */
#include "app/health.h"

#include "database/database.h"
#include "http/neighbour.h"
#include "tel/tel.h"

static const struct app *served;

void ops_init(const struct app *app)
{
	served = app;
}

static void begin_status(struct json_writer *json, const char *status)
{
	json_begin_object(json);
	json_key(json, "status");
	json_text(json, status);
}

static int end_status(struct reply *reply)
{
	json_end_object(reply_writer(reply));
	return reply_json(reply, 200);
}

/* GET /healthz -> 200: the program runs and answers */
static int get_health(struct request *req, struct reply *reply)
{
	(void)req;
	begin_status(reply_writer(reply), "ok");
	return end_status(reply);
}

/* GET /readyz -> 200 when it can do its work, else 503. A neighbour that fails makes nothing unready: see its circuit.
 */
static int get_readiness(struct request *req, struct reply *reply)
{
	const char *part = served->unready ? served->unready() : NULL;
	char why[512];

	if (req->database && database_unusable(req->database, why, sizeof(why))) {
		reply_header(reply, "Retry-After", "1");
		return reply_problem(reply, 503, "%s", why);
	}
	if (req->database && !(req->db && db_ready(req->db)))
		part = "database";
	if (part)
		return reply_unavailable(reply, part);
	begin_status(reply_writer(reply), "ready");
	neighbours_write(reply_writer(reply), "circuits");
	return end_status(reply);
}

static bool add_text(void *reply, const char *text, size_t bytes)
{
	struct buf *body = &((struct reply *)reply)->body;

	buf_add(body, text, bytes);
	return !body->failed;
}

/* GET /metrics -> the exposition, in the format that Accept prefers */
static int get_metrics(struct request *req, struct reply *reply)
{
	reply->content_type = tel_metrics_content_type(request_param(req, "HTTP_ACCEPT"));
	if (!tel_metrics_write(reply->content_type, add_text, reply))
		return reply_problem(reply, 500, "The metrics are too many.");
	return reply->status = 200;
}

const struct route ops_routes[] = {
	{"GET", "/healthz", get_health, ROUTE_QUIET},
	{"GET", "/readyz", get_readiness, ROUTE_QUIET},
	{"GET", "/metrics", get_metrics, ROUTE_QUIET},
	{0},
};
