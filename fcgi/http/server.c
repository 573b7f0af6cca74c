/* SPDX-License-Identifier: MIT */
#include "http/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/thread.h"
#include "http/call.h"
#include "http/fcgi_connection.h"
#include "http/lane.h"
#include "http/listener.h"
#include "http/request_telemetry.h"

#define STACK_BYTES 524288
#define BODY_KEPT 16384 /* a thread keeps this much memory between requests */

/* The memory of a thread, used for one request after the other. */
struct worker {
	struct thread thread;
	struct fcgi_connection connection;
	struct buf body;
	struct reply reply;
	struct tel_parent parent;
	void *kept; /* see request.kept */
};

static const struct server *server;
static uint64_t calls_budget_ns; /* how long the calls of one request may take altogether */
static struct worker *workers;
static unsigned worker_max, worker_count;

/* ---- reading ---- */

static bool read_body(struct worker *w, struct request *req)
{
	buf_reset(&w->body);
	if (!fcgi_read(&w->connection, &w->body))
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

static bool read_request(struct worker *w, int fd, struct request *req)
{
	*req = (struct request){.params = fcgi_params(&w->connection), .kept = &w->kept};
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
		/* The public waits as long as nginx does; a service on this machine may wait for less. */
		.caller_ms = req->through_gateway ? NULL : request_param(req, DEADLINE_PARAM),
		.calls_budget_ns = calls_budget_ns,
		.realtime_ns = clock_realtime_ns(),
		.now = clock_monotonic_ns(),
		.fd = fd,
	});
	return true;
}

/* ---- answering ---- */

/* Returns the table that has the path, or NULL. */
static const struct route *find_route(struct request *req)
{
	for (const struct route *const *table = server->tables; *table; table++) {
		route_find(*table, req->method, req->path, !req->through_gateway, &req->match);
		if (req->match.path_template)
			return *table;
	}
	return NULL;
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
	else if (quiet || !server->admit || server->admit(req, reply))
		req->match.route->handler(req, reply);
	if (reply->status == 0)
		reply_problem(reply, 500, "The request was not answered.");
}

static void write_reply(struct fcgi_connection *c, const struct reply *reply, bool with_body)
{
	BUF(head, 8192);

	buf_addf(&head, "Status: %d %s\r\n", reply->status, reply_title(reply->status));
	buf_add(&head, reply->headers.data, reply->headers.len);
	if (reply->content_type)
		buf_addf(&head, "Content-Type: %s\r\nContent-Length: %zu\r\n", reply->content_type, reply->body.len);
	buf_adds(&head, "\r\n");
	fcgi_write(c, head.data, head.len);
	if (with_body && reply->content_type && reply->body.len)
		fcgi_write(c, reply->body.data, reply->body.len);
}

static void answer(struct worker *w, struct request *req)
{
	const struct route *table = find_route(req);
	struct request_telemetry telemetry;

	reply_reset(&w->reply);
	request_telemetry_start(&telemetry, req, &w->parent, &w->reply);
	dispatch(req, table, &w->reply);
	request_telemetry_end(&telemetry, req, &w->reply);
	write_reply(&w->connection, &w->reply, strcmp(req->method, "HEAD") != 0);
	reply_sent(&w->reply);
}

/* ---- the loop ---- */

/* nginx does not keep the connection of a request that must not be repeated, so it is closed without waiting. */
static bool is_last(const struct request *req)
{
	return *param(req, "APM_ONCE") != '\0';
}

static void serve(struct worker *w, int fd)
{
	struct request req;

	if (!fcgi_start(&w->connection, fd)) {
		listener_gone();
		return;
	}
	bool whole = read_request(w, fd, &req);
	if (whole)
		answer(w, &req);
	bool keep = whole && w->connection.keep && !is_last(&req);
	if (!fcgi_end(&w->connection))
		listener_gone();
	else if (keep)
		listener_keep(fd);
	else
		listener_close(fd);
	request_done(&req);
	if (w->body.cap > BODY_KEPT)
		buf_done(&w->body);
}

static void work(void *arg)
{
	struct worker *w = arg;
	int fd;

	fcgi_connection_init(&w->connection);
	buf_init(&w->body, server->body_max ? server->body_max : REQUEST_BODY_MAX);
	reply_init(&w->reply);
	while ((fd = listener_wait()) >= 0)
		serve(w, fd);
	if (server->thread_end)
		server->thread_end(w->kept);
	reply_done(&w->reply);
	buf_done(&w->body);
}

/* ---- start and stop ---- */

int server_init(int listen_fd, unsigned threads)
{
	if (!fcgi_init())
		return -ENOMEM;
	call_init();
	deadline_init();
	lanes_init(threads);
	calls_budget_ns = (call_timeout_ms() + UINT64_C(1000)) * NS_PER_MS;
	worker_max = threads;
	return listener_init(listen_fd);
}

int server_start(const struct server *the_server)
{
	int error = 0;

	server = the_server;
	workers = calloc(worker_max, sizeof(*workers));
	if (!workers)
		abort();
	for (struct worker *w = workers; w < workers + worker_max && !error; w++) {
		w->thread = (struct thread)THREAD_INITIALIZER;
		w->thread.stack_bytes = STACK_BYTES;
		error = thread_start(&w->thread, "worker", work, w);
		worker_count += !error;
	}
	return error;
}

bool server_stop(unsigned budget_ms)
{
	if (!listener_drain(budget_ms))
		return false;
	for (unsigned i = 0; i < worker_count; i++)
		thread_stop(&workers[i].thread, CLOCK_NEVER);
	free(workers);
	workers = NULL;
	return true;
}

void server_done(void)
{
	call_done();
}
