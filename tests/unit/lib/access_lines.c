/* SPDX-License-Identifier: MIT */
#include "access_lines.h"

#include <stdint.h>
#include <stdio.h>

static const char *or_else(const char *value, const char *usual)
{
	return value ? value : usual;
}

size_t access_line_write(char *out, size_t size, const struct access_values *v)
{
	return (size_t)snprintf(
		out, size,
		"{\"ts\":\"2026-11-22T12:30:00.123000Z\",\"level\":\"info\",\"service\":\"api-gateway\",\"msg\":"
		"\"request\","
		"\"trace_id\":\"%s\",\"span_id\":\"%s\",\"trace_flags\":\"%s\","
		"\"trace_state\":\"%s\",\"trace_resampled\":%s,\"parent_span_id\":\"%s\","
		"\"client_span_id\":\"%s\",\"method\":\"%s\",\"route\":\"%s\",\"path\":\"%s\",\"query\":\"%s\","
		"\"status\":%s,\"duration_ms\":%s,\"up_addr\":\"%s\",\"up_status\":\"%s\",\"up_time\":\"%s\","
		"\"up_start\":\"%s\",\"host\":\"%s\",\"port\":%s,\"scheme\":\"%s\",\"client\":\"%s\","
		"\"user_agent\":\"%s\",\"protocol\":\"%s\",\"bytes_in\":312,\"bytes_out\":541,\"msec\":\"%s\"}",
		or_else(v->trace_id, TRACE), or_else(v->span_id, SERVER_ID), or_else(v->flags, "03"),
		or_else(v->trace_state, ""), or_else(v->resampled, "0"), or_else(v->parent_span_id, ""),
		or_else(v->client_span_id, CLIENT_ID), or_else(v->method, "GET"),
		or_else(v->route, "/api/v1/users/{id}"), or_else(v->path, "/api/v1/users/7"), or_else(v->query, ""),
		or_else(v->status, "200"), or_else(v->duration_ms, "12"),
		or_else(v->up_addr, "unix:/run/apm/users.sock"), or_else(v->up_status, "200"),
		or_else(v->up_time, "0.010"), or_else(v->up_start, ""), or_else(v->host, "shop.example"),
		or_else(v->port, "8080"), or_else(v->scheme, "http"), or_else(v->client, "192.0.2.7"),
		or_else(v->user_agent, "curl/7.88.1"), or_else(v->protocol, "HTTP/1.1"),
		or_else(v->msec, "1795350600.123"));
}
