/* SPDX-License-Identifier: MIT */
/*
 * A FastCGI program with several threads, each with one request at a time.
 *
 * Build: cc fastcgi.c $(pkg-config --cflags --libs tel) -lfcgi -pthread
 * Usage: spawn-fcgi -n -s SOCKET -- ./fastcgi
 * In nginx: fastcgi_pass unix:SOCKET; include fastcgi_params;
 */
#define _POSIX_C_SOURCE 200809L // for sigwait and shutdown
#include "tel.h"

#include <fcgiapp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>

enum { THREADS = 4 };

TEL_COUNTER(requests, "http.server.requests", "{request}", "Requests answered.", "http.response.status_code");

/* Headers come as HTTP_TRACEPARENT; a header that came twice, as one value. */
static void read_parent(struct tel_parent *parent, char **env)
{
	static const char *const headers[][2] = {
		{"traceparent", "HTTP_TRACEPARENT"}, {"tracestate", "HTTP_TRACESTATE"}, {"baggage", "HTTP_BAGGAGE"}};

	tel_parent_init(parent);
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		const char *value = FCGX_GetParam(headers[i][1], env);
		if (value)
			tel_parent_header(parent, headers[i][0], value);
	}
	tel_parent_end(parent);
}

static void answer(FCGX_Request *request)
{
	struct tel_parent parent; /* before the span, which it has to outlive */
	struct tel_span span;
	const char *path = FCGX_GetParam("SCRIPT_NAME", request->envp);
	char body[1024];

	while (FCGX_GetStr(body, sizeof(body), request->in) > 0)
		; /* what is left unread when a connection is closed can cost the answer */
	read_parent(&parent, request->envp);
	tel_span_start_remote(&span, "GET /", TEL_SERVER, &parent);
	tel_span_set(&span, tel_str("url.path", path),
		     tel_int("http.response.status_code", 200)); /* NULL is taken as "" */
	if (FCGX_FPrintF(request->out, "Content-Type: text/plain\r\n\r\nHello.\n") < 0) {
		tel_span_fail(&span, "write");
		tel_warn("the web server has closed the connection");
	}
	tel_counter_add(&requests, 1, "200");
	tel_info("request", tel_str("url.path", path));
	tel_span_end(&span);
	FCGX_Finish_r(request);
}

static void *work(void *arg)
{
	FCGX_Request request;

	if (FCGX_InitRequest(&request, 0, FCGI_FAIL_ACCEPT_ON_INTR))
		return NULL;
	while (FCGX_Accept_r(&request) == 0)
		answer(&request);
	return arg;
}

int main(void)
{
	pthread_t threads[THREADS];
	sigset_t end;
	int count = 0, signal;

	/* Before any thread is made, the library's among them: main alone is to be told when to end. */
	sigemptyset(&end);
	sigaddset(&end, SIGTERM);
	sigaddset(&end, SIGINT);
	pthread_sigmask(SIG_BLOCK, &end, NULL);

	if (FCGX_Init() || tel_init(&(struct tel_config){.service_name = "fastcgi-example"}))
		return 1;
	while (count < THREADS && !pthread_create(&threads[count], NULL, work, NULL))
		count++;
	if (count == 0) {
		tel_error("no thread can be made");
		tel_shutdown(5000);
		return 1;
	}
	sigwait(&end, &signal);

	/* Ends each thread after its request. The socket is this process's own; connections that nginx keeps open
	 * (fastcgi_keep_conn) would hold their threads. */
	tel_info("ending", tel_int("signal", signal));
	FCGX_ShutdownPending();
	shutdown(0, SHUT_RDWR);
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	tel_shutdown(5000);
	return 0;
}
