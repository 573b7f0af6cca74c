/* SPDX-License-Identifier: MIT */
/*
 * Makes the calls that a test asks for, as the validation harness of W3C Trace Context defines it:
 * POST [{"url":"http://…/path","arguments":[…]}, …] posts the arguments to each path, at PEER_URL.
 */
/* clang-format off */
#define json_bool json_c_bool /* base/json_write.h has a function of that name */
#include <json-c/json.h>
#undef json_bool
/* clang-format on */
#include <string.h>

#include "app/app.h"
#include "http/call.h"

static const char *path_of(const char *url)
{
	const char *authority = strstr(url, "//");
	const char *path = authority ? strchr(authority + 2, '/') : NULL;
	return path ? path : "/";
}

static void relay(struct request *req, struct reply *reply)
{
	struct json_object *calls = json_tokener_parse(req->body);
	if (!json_object_is_type(calls, json_type_array)) {
		json_object_put(calls);
		return reply_problem(reply, 400, "not an array of calls");
	}

	struct json_writer *json = reply_writer(reply);
	json_begin_array(json);
	for (size_t i = 0; i < json_object_array_length(calls); i++) {
		struct json_object *call = json_object_array_get_idx(calls, i);
		const char *url = json_object_get_string(json_object_object_get(call, "url"));
		const char *body = json_object_to_json_string(json_object_object_get(call, "arguments"));
		json_int(json, call_post(req, "peer", path_of(url ? url : ""), body, strlen(body)));
	}
	json_end_array(json);
	json_object_put(calls);
	reply_json(reply, 200);
}

static const struct route routes[] = {
	{"POST", "/api/v1/relays", relay, 0},
	{0},
};

int main(int argc, char **argv)
{
	static const char *const neighbours[] = {"peer", NULL};
	const struct app app = {.service_name = "relay-service", .neighbours = neighbours, .routes = routes};
	return app_main(&app, argc, argv);
}
