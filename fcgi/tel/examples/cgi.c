/* SPDX-License-Identifier: MIT */
/*
 * A CGI program under any web server: one process, one request, one span.
 *
 * The server gives the request's headers as HTTP_TRACEPARENT and so on. A log line on stderr lands in the server's
 * error log. /metrics makes no sense here: a process that ends cannot be asked.
 */
#include "tel.h"

#include <stdio.h>
#include <stdlib.h>

static const char *variable(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value ? value : otherwise;
}

/* The trace context of the caller's headers. */
static void read_parent(struct tel_parent *parent)
{
	static const char *const headers[][2] = {
		{"traceparent", "HTTP_TRACEPARENT"}, {"tracestate", "HTTP_TRACESTATE"}, {"baggage", "HTTP_BAGGAGE"}};

	tel_parent_init(parent);
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		const char *value = getenv(headers[i][1]);
		if (value)
			tel_parent_header(parent, headers[i][0], value);
	}
	tel_parent_end(parent);
}

int main(void)
{
	/* A request is answered whether or not it can be traced. */
	bool traced = tel_init(&(struct tel_config){.service_name = "cgi-example"}) == 0;
	struct tel_parent parent;
	struct tel_span span;

	read_parent(&parent);
	/* SCRIPT_NAME is one of few words, PATH_INFO is what a client likes. */
	tel_span_start_remote(&span, "CGI", TEL_SERVER, &parent);
	tel_span_rename(&span, variable("REQUEST_METHOD", "CGI"), variable("SCRIPT_NAME", NULL));
	tel_span_set(&span, tel_str("http.request.method", variable("REQUEST_METHOD", "_OTHER")),
		     tel_str("url.path", variable("SCRIPT_NAME", "/")), tel_lit("url.scheme", "http"));

	bool written = printf("Status: 200 OK\r\nContent-Type: text/plain\r\n\r\nHello.\n") > 0 && fflush(stdout) == 0;
	tel_span_set(&span, tel_int("http.response.status_code", 200));
	if (!written) {
		tel_span_fail(&span, "write");
		tel_warn("the server does not take the answer");
	}
	tel_span_end(&span);

	/* The server waits for the end of this process, and its client with it: a second to send. */
	if (traced)
		tel_shutdown(1000);
	return !written;
}
