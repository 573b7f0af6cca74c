/* SPDX-License-Identifier: MIT */
/* A throw-away fourth service: this file and greetings.conf are all it takes. */
#include <inttypes.h>

#include "app/app.h"
#include "http/call.h"
#include "tel/tel.h"

TEL_COUNTER(greetings, "greetings", "{greeting}", "Greetings said.");

/* GET /api/v1/greetings/{id} -> 200 {"user_id":1,"greeting":"Hello"} */
static void greet(struct request *req, struct reply *reply)
{
	int64_t id;
	if (!request_id(req, &id))
		return reply_problem(reply, 404, "there is no such user");

	switch (call_get(req, "users", "/api/v1/users/%" PRId64, id)) {
	case 200: break;
	case 404: return reply_problem(reply, 404, "there is no user %" PRId64, id);
	default: return reply_unavailable(reply, "user-service");
	}

	tel_counter_add(&greetings, 1);
	tel_span_set(tel_span_current(), tel_int("user.id", id));
	struct json_writer *json = reply_writer(reply);
	json_begin_object(json);
	json_member_int(json, "user_id", id);
	json_member_text(json, "greeting", "Hello");
	json_end_object(json);
	reply_json(reply, 200);
}

static const struct route routes[] = {
	{"GET", "/api/v1/greetings/{id}", greet, 0},
	{0},
};

int main(int argc, char **argv)
{
	static const char *const neighbours[] = {"users", NULL};
	const struct app app = {.service_name = "greeting-service", .neighbours = neighbours, .routes = routes};
	return app_main(&app, argc, argv);
}
