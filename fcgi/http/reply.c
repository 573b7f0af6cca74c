/* SPDX-License-Identifier: MIT */
#include "http/reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define HEADERS_MAX 4096
#define BODY_KEPT 32768 /* a thread keeps this much memory between requests */

void reply_init(struct reply *reply)
{
	*reply = (struct reply){0};
	buf_init(&reply->headers, HEADERS_MAX);
	buf_init(&reply->body, REPLY_BODY_MAX);
	json_init(&reply->json, &reply->body);
}

void reply_done(struct reply *reply)
{
	buf_done(&reply->headers);
	buf_done(&reply->body);
}

static void drop_body(struct reply *reply)
{
	buf_reset(&reply->body);
	json_init(&reply->json, &reply->body);
}

void reply_sent(struct reply *reply)
{
	if (reply->body.cap > BODY_KEPT) {
		buf_done(&reply->body);
		buf_init(&reply->body, REPLY_BODY_MAX);
	}
}

void reply_reset(struct reply *reply)
{
	reply_sent(reply);
	reply->body.max = REPLY_BODY_MAX;
	reply->status = 0;
	reply->content_type = NULL;
	reply->reason[0] = '\0';
	reply->trace_id[0] = '\0';
	buf_reset(&reply->headers);
	drop_body(reply);
}

void reply_body_max(struct reply *reply, size_t max_bytes)
{
	reply->body.max = max_bytes;
}

void reply_header(struct reply *reply, const char *name, const char *format, ...)
{
	char value[1024];
	va_list args;

	va_start(args, format);
	int len = vsnprintf(value, sizeof(value), format, args);
	va_end(args);
	if (len < 0 || (size_t)len >= sizeof(value))
		return;
	/* Octets above ASCII are obsolete in a field value (RFC 9110 section 5.5). */
	for (int i = 0; i < len; i++)
		if (value[i] < 0x20 || value[i] > 0x7e)
			return;
	/* Half a line would break the answer, so it is added whole or not at all. */
	if (!buf_reserve(&reply->headers, strlen(name) + (size_t)len + 4)) {
		reply->headers.failed = false;
		return;
	}
	buf_adds(&reply->headers, name);
	buf_adds(&reply->headers, ": ");
	buf_add(&reply->headers, value, (size_t)len);
	buf_adds(&reply->headers, "\r\n");
}

struct json_writer *reply_writer(struct reply *reply)
{
	return &reply->json;
}

void reply_json(struct reply *reply, int status)
{
	if (reply->body.failed) {
		reply_problem(reply, 500, "The answer is too large.");
		return;
	}
	reply->content_type = "application/json";
	reply->status = status;
}

static void reply_without_body(struct reply *reply, int status)
{
	drop_body(reply);
	reply->content_type = NULL;
	reply->status = status;
}

void reply_empty(struct reply *reply)
{
	reply_without_body(reply, 204);
}

void reply_not_modified(struct reply *reply)
{
	reply_without_body(reply, 304);
}

void reply_problem_start(struct reply *reply, int status, const char *detail)
{
	struct json_writer *json = &reply->json;

	snprintf(reply->reason, sizeof(reply->reason), "%s", detail);
	reply->status = status;
	reply->content_type = "application/problem+json";
	drop_body(reply);
	json_begin_object(json);
	json_member_text(json, "type", "about:blank");
	json_member_text(json, "title", reply_title(status));
	json_member_int(json, "status", status);
	json_member_text(json, "detail", detail);
	json_member_text(json, "trace_id", reply->trace_id);
}

void reply_problem_end(struct reply *reply)
{
	json_end_object(&reply->json);
}

void reply_problem(struct reply *reply, int status, const char *detail, ...)
{
	char text[512];
	va_list args;

	va_start(args, detail);
	vsnprintf(text, sizeof(text), detail, args);
	va_end(args);
	reply_problem_start(reply, status, text);
	reply_problem_end(reply);
}

void reply_unavailable(struct reply *reply, const char *part)
{
	reply_header(reply, "Retry-After", "1");
	reply_problem(reply, 503, "The %s cannot answer at the moment. Try again.", part);
}

const char *reply_title(int status)
{
	switch (status) {
	case 200: return "OK";
	case 201: return "Created";
	case 202: return "Accepted";
	case 204: return "No Content";
	case 304: return "Not Modified";
	case 400: return "Bad Request";
	case 401: return "Unauthorized";
	case 403: return "Forbidden";
	case 404: return "Not Found";
	case 405: return "Method Not Allowed";
	case 406: return "Not Acceptable";
	case 408: return "Request Timeout";
	case 409: return "Conflict";
	case 410: return "Gone";
	case 412: return "Precondition Failed";
	case 413: return "Content Too Large";
	case 414: return "URI Too Long";
	case 415: return "Unsupported Media Type";
	case 422: return "Unprocessable Content";
	case 428: return "Precondition Required";
	case 429: return "Too Many Requests";
	case 431: return "Request Header Fields Too Large";
	case 500: return "Internal Server Error";
	case 501: return "Not Implemented";
	case 502: return "Bad Gateway";
	case 503: return "Service Unavailable";
	case 504: return "Gateway Timeout";
	case 505: return "HTTP Version Not Supported";
	default: return "Unknown";
	}
}
