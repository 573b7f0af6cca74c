/* SPDX-License-Identifier: MIT */
#include "http/worker.h"

#include <fcgiapp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "app/health.h"
#include "base/clock.h"
#include "database/database.h"
#include "http/listener.h"
#include "http/request_telemetry.h"

#define STACK_BYTES 524288
#define BODY_KEPT 16384 /* a thread keeps this much memory between requests */

/* What a thread owns and uses for one request after the other. */
struct worker {
	pthread_t thread;
	FCGX_Request fcgi;
	struct db_connection *db; /* opened for its first request */
	struct buf body;
	struct reply reply;
	struct tel_parent parent;
};

static const struct app *app;
static struct database *database;
static uint64_t budget_ns;
static struct worker *workers;
static unsigned worker_count;

/* ---- reading ---- */

/*
 * Reads the body to its end, whatever becomes of it: what stays in the connection would be taken for the next request.
 * False: the web server broke off.
 */
static bool read_body(struct worker *w, struct request *req)
{
	char piece[4096];
	int bytes;

	buf_reset(&w->body);
	while ((bytes = FCGX_GetStr(piece, sizeof(piece), w->fcgi.in)) > 0)
		buf_add(&w->body, piece, (size_t)bytes);
	if (FCGX_GetError(w->fcgi.in) != 0)
		return false;
	req->body_too_large = w->body.failed;
	req->body = w->body.failed || !w->body.data ? "" : w->body.data;
	req->body_len = w->body.failed ? 0 : w->body.len;

	/* FastCGI 1.0 section 6.2: less than CONTENT_LENGTH means that the client's request was broken off. */
	const char *announced = request_param(req, "CONTENT_LENGTH");
	return !announced || req->body_too_large || strtoull(announced, NULL, 10) <= req->body_len;
}

static const char *param(const struct request *req, const char *name)
{
	const char *value = request_param(req, name);
	return value ? value : "";
}

static bool read_request(struct worker *w, struct request *req)
{
	*req = (struct request){.params = (const char *const *)w->fcgi.envp, .database = database};
	if (!read_body(w, req))
		return false;
	req->method = param(req, "REQUEST_METHOD");
	req->path = param(req, "DOCUMENT_URI");
	req->query = param(req, "QUERY_STRING");
	req->content_type = param(req, "CONTENT_TYPE");
	req->through_gateway = strcmp(param(req, "APM_GATEWAY"), "1") == 0;
	req->deadline = deadline_read(&(struct deadline_said){
		.sent_at = request_param(req, "APM_SENT_AT"),
		.wait_ms = request_param(req, "APM_WAIT_MS"),
		/* The public's patience is nginx's; a service on this machine may have less. */
		.caller_ms = req->through_gateway ? NULL : request_param(req, DEADLINE_PARAM),
		.calls_budget_ns = budget_ns,
		.realtime_ns = clock_realtime_ns(),
		.now = clock_monotonic_ns(),
		.fd = w->fcgi.ipcFd,
	});
	return true;
}

/* ---- answering ---- */

static const struct route *find(struct request *req)
{
	const struct route *table = ops_routes;

	route_find(table, req->method, req->path, !req->through_gateway, &req->match);
	if (!req->match.path_template) {
		table = app->routes;
		route_find(table, req->method, req->path, !req->through_gateway, &req->match);
	}
	return table;
}

static void refuse_method(const struct request *req, const struct route *table, struct reply *reply)
{
	BUF(allow, 256);
	route_allow(table, req->match.path_template, !req->through_gateway, &allow);
	reply_header(reply, "Allow", "%s", allow.data);
	reply_problem(reply, 405, "This resource answers to %s.", allow.data);
}

static void dispatch(struct request *req, const struct route *table, struct reply *reply)
{
	bool quiet = req->match.route && (req->match.route->flags & ROUTE_QUIET);
	enum lateness lateness = quiet ? IN_TIME : deadline_at_start(&req->deadline);

	if (!req->match.path_template)
		reply_problem(reply, 404, "There is no such resource.");
	else if (!req->match.route)
		refuse_method(req, table, reply);
	else if (lateness)
		reply_late(reply, lateness);
	else if (req->database && !req->db && !quiet)
		reply_unavailable(reply, "database");
	else
		req->match.route->handler(req, reply);
	if (reply->status == 0)
		reply_problem(reply, 500, "The request was not answered.");
}

/* Writes into libfcgi's buffer; FCGX_Finish_r sends the rest of it. Failure shows there. */
static void send_reply(FCGX_Stream *out, const struct reply *reply, bool with_body)
{
	BUF(head, 8192);

	buf_addf(&head, "Status: %d %s\r\n", reply->status, reply_title(reply->status));
	buf_add(&head, reply->headers.data, reply->headers.len);
	if (reply->content_type)
		buf_addf(&head, "Content-Type: %s\r\nContent-Length: %zu\r\n", reply->content_type, reply->body.len);
	buf_adds(&head, "\r\n");
	FCGX_PutStr(head.data, (int)head.len, out);
	if (with_body && reply->content_type && reply->body.len)
		FCGX_PutStr(reply->body.data, (int)reply->body.len, out);
}

static void answer(struct worker *w, struct request *req)
{
	const struct route *table = find(req);
	struct seam seam;

	reply_reset(&w->reply);
	seam_begin(&seam, req, &w->parent, &w->reply);
	if (!w->db && database)
		w->db = db_connection_open(database);
	req->db = w->db;
	dispatch(req, table, &w->reply);
	seam_end(&seam, req, &w->reply);
	send_reply(w->fcgi.out, &w->reply, strcmp(req->method, "HEAD") != 0);
	reply_sent(&w->reply);
}

/* ---- the loop ---- */

/* nginx keeps no connection of a request that must not be repeated, so nobody need wait for its end. */
static bool is_last(const struct request *req)
{
	return *param(req, "APM_ONCE") != '\0';
}

/*
 * libfcgi reads and writes, but does not accept, wait or close by itself: FCGX_Accept_r takes a connection that is set
 * in ipcFd. keepConnection has to be set, because FCGX_Accept_r and FCGX_Finish_r would close the connection
 * otherwise; the web server's wish is in it only in between. Detached, libfcgi closes a broken connection without
 * waiting up to 2 s for the other side. With no listening socket to fall back on, FCGX_Accept_r fails when a
 * connection brings no request.
 */
static void serve(struct worker *w, int fd)
{
	FCGX_Request *fcgi = &w->fcgi;
	struct request req;

	fcgi->ipcFd = fd;
	fcgi->keepConnection = 1;
	FCGX_Detach(fcgi);
	if (FCGX_Accept_r(fcgi) < 0) {
		listener_gone();
		return;
	}
	bool keep = fcgi->keepConnection;
	fcgi->keepConnection = 1;
	if (read_request(w, &req)) {
		keep &= !is_last(&req);
		answer(w, &req);
	} else {
		keep = false;
	}
	FCGX_Finish_r(fcgi);
	bool closed = fcgi->ipcFd < 0;
	fcgi->ipcFd = -1;
	if (closed)
		listener_gone();
	else if (keep)
		listener_keep(fd);
	else
		listener_close(fd);
	request_done(&req);
	if (w->body.cap > BODY_KEPT)
		buf_done(&w->body);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	int fd;

	FCGX_InitRequest(&w->fcgi, -1, 0);
	buf_init(&w->body, app->body_max ? app->body_max : REQUEST_BODY_MAX);
	reply_init(&w->reply);
	while ((fd = listener_wait()) >= 0)
		serve(w, fd);
	db_connection_close(w->db);
	reply_done(&w->reply);
	buf_done(&w->body);
	return NULL;
}

int workers_start(const struct app *the_app, struct database *the_database, unsigned count, uint64_t the_budget_ns)
{
	pthread_attr_t attr;
	int error = 0;

	app = the_app;
	database = the_database;
	budget_ns = the_budget_ns;
	workers = calloc(count, sizeof(*workers));
	if (!workers)
		abort();
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	for (unsigned i = 0; i < count && !error; i++) {
		error = pthread_create(&workers[i].thread, &attr, work, &workers[i]);
		worker_count += !error;
	}
	pthread_attr_destroy(&attr);
	return -error;
}

void workers_join(void)
{
	for (unsigned i = 0; i < worker_count; i++)
		pthread_join(workers[i].thread, NULL);
	free(workers);
	workers = NULL;
}
