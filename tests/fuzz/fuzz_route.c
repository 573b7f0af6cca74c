/* SPDX-License-Identifier: MIT */
/* A method and a path, parted by the first line feed, against a table: captures stay inside the path. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http/request.h"
#include "http/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void handler(struct request *req, struct reply *reply)
{
	(void)req;
	(void)reply;
}

static const struct route table[] = {
	{"GET", "/api/v1/users", handler, 0},
	{"POST", "/api/v1/users", handler, 0},
	{"GET", "/api/v1/users/{id}", handler, 0},
	{"POST", "/api/v1/notes", handler, ROUTE_INTERNAL},
	{"GET", "/{a}/{b}/{c}/{d}", handler, 0},
	{"GET", "/{a}/{b}/{c}/{d}/{e}", handler, 0},
	{"PATCH", "/{}", handler, 0},
	{0},
};

static void look_up(const char *method, const char *path, bool internal)
{
	struct request req = {.path = path};
	int64_t id = 0;

	route_find(table, method, path, internal, &req.match);
	const struct route_match *match = &req.match;
	assert(!match->route || match->path_template == match->route->path);
	assert(!match->route || internal || !(match->route->flags & ROUTE_INTERNAL));
	assert(match->segments <= ROUTE_SEGMENTS_MAX);
	for (size_t i = 0; i < match->segments; i++) {
		assert(match->segment[i] > path && match->segment_len[i] > 0);
		assert(match->segment[i] + match->segment_len[i] <= path + strlen(path));
		assert(!memchr(match->segment[i], '/', match->segment_len[i]));
	}
	if (request_id(&req, &id))
		assert(id >= 1 && id <= REQUEST_ID_MAX);
	if (match->path_template) {
		BUF(allow, 256);
		route_allow(table, match->path_template, internal, &allow);
		assert(!allow.failed && allow.len > 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	memcpy(text, data, size);
	text[size] = '\0';
	char *path = strchr(text, '\n');
	if (path) {
		*path++ = '\0';
		look_up(text, path, false);
		look_up(text, path, true);
	}
	free(text);
	return 0;
}
