/* SPDX-License-Identifier: MIT */
/* Lines of the access log, as nginx/log.conf writes them. */
#ifndef APM_TESTS_ACCESS_LINES_H
#define APM_TESTS_ACCESS_LINES_H

#include <stddef.h>

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SERVER_ID "b7ad6b7169203331"
#define CLIENT_ID "00f067aa0ba902b7"
#define PARENT_ID "a3ce929d0e0e4736"

/* The values that tests vary; those that are NULL are the ones of an everyday request. */
struct access_values {
	const char *trace_id, *span_id, *flags, *trace_state, *resampled, *parent_span_id, *client_span_id;
	const char *method, *route, *path, *query, *status, *duration_ms;
	const char *up_addr, *up_status, *up_time, *up_start;
	const char *host, *port, *scheme, *client, *user_agent, *protocol, *msec;
};

/* Writes a line without its newline. Returns its length. */
size_t access_line_write(char *out, size_t size, const struct access_values *v);

#endif
