/* SPDX-License-Identifier: MIT */
#include "app/health.h"

#include "app/request_database.h"
#include "http/neighbour.h"
#include "http/reply.h"
#include "http/request.h"
#include "tel/tel.h"

static const char *(*unready)(void);

void health_init(const char *(*the_unready)(void))
{
	unready = the_unready;
}

static void start_status(struct json_writer *json, const char *status)
{
	json_begin_object(json);
	json_member_text(json, "status", status);
}

static void end_status(struct reply *reply)
{
	json_end_object(reply_writer(reply));
	reply_json(reply, 200);
}

/* GET /healthz -> 200: the program runs and answers */
static void get_health(struct request *req, struct reply *reply)
{
	(void)req;
	start_status(reply_writer(reply), "ok");
	end_status(reply);
}

/* GET /readyz -> 200 if it can do its work, else 503. A neighbour that fails makes it unready no more than its circuit
 * is shown. */
static void get_readiness(struct request *req, struct reply *reply)
{
	const char *part = unready ? unready() : NULL;
	struct database *database = request_database();
	char why[512];

	if (database && database_unusable(database, why, sizeof(why))) {
		reply_header(reply, "Retry-After", "1");
		return reply_problem(reply, 503, "%s", why);
	}
	struct db_connection *db = request_db(req);
	if (database && !(db && db_ready(db)))
		part = "database";
	if (part)
		return reply_unavailable(reply, part);
	start_status(reply_writer(reply), "ready");
	neighbours_write(reply_writer(reply), "circuits");
	end_status(reply);
}

static bool add_text(void *reply, const char *text, size_t len)
{
	struct buf *body = &((struct reply *)reply)->body;

	buf_add(body, text, len);
	return !body->failed;
}

/* GET /metrics -> the exposition, in the format that Accept prefers */
static void get_metrics(struct request *req, struct reply *reply)
{
	reply->content_type = tel_metrics_content_type(request_param(req, "HTTP_ACCEPT"));
	if (!tel_metrics_write(reply->content_type, add_text, reply))
		return reply_problem(reply, 500, "The metrics are too many.");
	reply->status = 200;
}

const struct route health_routes[] = {
	{"GET", "/healthz", get_health, ROUTE_QUIET},
	{"GET", "/readyz", get_readiness, ROUTE_QUIET},
	{"GET", "/metrics", get_metrics, ROUTE_QUIET},
	{0},
};
