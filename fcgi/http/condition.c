/* SPDX-License-Identifier: MIT */
#include "http/condition.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"

void etag_of(const void *data, size_t len, char *out)
{
	snprintf(out, ETAG_SIZE, "\"%016" PRIx64 "-%zx\"", hash_bytes(data, len), len);
}

/* Returns the length of the opaque tag at `s` with its quotes, 0 if there is none. */
static size_t opaque_tag(const char *s)
{
	size_t len = 1;

	if (*s != '"')
		return 0;
	while ((unsigned char)s[len] > 0x20 && s[len] != '"' && s[len] != 0x7f)
		len++;
	return s[len] == '"' ? len + 1 : 0;
}

bool etag_in(const char *list, const char *etag, bool weak)
{
	static const char blank[] = " \t", between[] = " \t,";
	size_t wanted = strlen(etag);

	list += strspn(list, blank);
	if (*list == '*')
		return list[1 + strspn(list + 1, blank)] == '\0';
	while (*(list += strspn(list, between))) {
		bool is_weak = strncmp(list, "W/", 2) == 0;
		const char *tag = list + (is_weak ? 2 : 0);
		size_t len = opaque_tag(tag);

		if (len == 0)
			return false;
		list = tag + len + strspn(tag + len, blank);
		if (*list && *list != ',')
			return false;
		if ((weak || !is_weak) && len == wanted && memcmp(tag, etag, len) == 0)
			return true;
	}
	return false;
}

void condition_init(struct condition *condition, const struct request *req)
{
	*condition = (struct condition){
		.if_match = request_param(req, "HTTP_IF_MATCH"),
		.if_none_match = request_param(req, "HTTP_IF_NONE_MATCH"),
	};
}

bool condition_is_given(const struct condition *condition)
{
	return condition->if_match || condition->if_none_match;
}

static bool matches(const struct condition *condition, const char *etag)
{
	return !condition->if_match || etag_in(condition->if_match, etag, false);
}

static bool is_known(const struct condition *condition, const char *etag)
{
	return condition->if_none_match && etag_in(condition->if_none_match, etag, true);
}

bool condition_holds(struct condition *condition, const void *representation, size_t len)
{
	char etag[ETAG_SIZE];

	etag_of(representation, len, etag);
	condition->failed = !matches(condition, etag) || is_known(condition, etag);
	return !condition->failed;
}

void reply_condition_failed(struct reply *reply)
{
	reply_problem(reply, 412, "The resource is not in the state that If-Match or If-None-Match asks for.");
}

void reply_resource(struct reply *reply, const struct request *req, int status)
{
	bool reads = strcmp(req->method, "GET") == 0 || strcmp(req->method, "HEAD") == 0;
	struct condition condition;
	char etag[ETAG_SIZE];

	if (reply->body.failed)
		return reply_json(reply, status);
	etag_of(reply->body.data, reply->body.len, etag);
	condition_init(&condition, req);
	if (reads && !matches(&condition, etag))
		return reply_condition_failed(reply);
	reply_header(reply, "ETag", "%s", etag);
	if (reads && is_known(&condition, etag))
		return reply_not_modified(reply);
	reply_json(reply, status);
}
