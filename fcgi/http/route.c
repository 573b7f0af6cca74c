/* SPDX-License-Identifier: MIT */
#include "http/route.h"

#include <string.h>

static const char *segment_end(const char *s)
{
	return s + strcspn(s, "/");
}

static bool is_capture(const char *s, const char *end)
{
	return end - s >= 2 && s[0] == '{' && end[-1] == '}';
}

/* {name*} takes the rest of the path, slashes too, except for what follows it in the template. */
static bool takes_rest(const char *want_end, const char *path, struct route_match *out)
{
	size_t tail = strlen(want_end), len = strlen(path);

	if (len <= tail || memcmp(path + len - tail, want_end, tail) != 0 || out->segments == ROUTE_SEGMENTS_MAX)
		return false;
	out->segment[out->segments] = path;
	out->segment_len[out->segments++] = len - tail;
	return true;
}

/* Fills the captures of `out` alone; they mean something only if the result is true. */
static bool path_matches(const char *path_template, const char *path, struct route_match *out)
{
	out->segments = 0;
	while (*path_template == '/' && *path == '/') {
		const char *want = path_template + 1, *want_end = segment_end(want);
		const char *have = path + 1, *have_end = segment_end(have);

		if (is_capture(want, want_end)) {
			if (want_end[-2] == '*')
				return takes_rest(want_end, have, out);
			if (have == have_end || out->segments == ROUTE_SEGMENTS_MAX)
				return false;
			out->segment[out->segments] = have;
			out->segment_len[out->segments++] = (size_t)(have_end - have);
		} else if (want_end - want != have_end - have || memcmp(want, have, (size_t)(want_end - want)) != 0) {
			return false;
		}
		path_template = want_end;
		path = have_end;
	}
	return *path_template == '\0' && *path == '\0';
}

static bool is_visible(const struct route *route, bool internal)
{
	return internal || !(route->flags & ROUTE_INTERNAL);
}

static bool method_matches(const struct route *route, const char *method)
{
	if (strcmp(method, "HEAD") == 0)
		method = "GET";
	return strcmp(route->method, method) == 0;
}

void route_find(const struct route *table, const char *method, const char *path, bool internal, struct route_match *out)
{
	*out = (struct route_match){0};
	for (const struct route *route = table; route && route->path; route++) {
		struct route_match found = {0};

		if (!is_visible(route, internal) || !path_matches(route->path, path, &found))
			continue;
		found.path_template = route->path;
		if (method_matches(route, method)) {
			found.route = route;
			*out = found;
			return;
		}
		if (!out->path_template)
			*out = found;
	}
}

void route_allow(const struct route *table, const char *path_template, bool internal, struct buf *out)
{
	const char *separator = "";

	for (const struct route *route = table; route && route->path; route++) {
		if (!is_visible(route, internal) || strcmp(route->path, path_template) != 0)
			continue;
		buf_adds(out, separator);
		buf_adds(out, route->method);
		if (strcmp(route->method, "GET") == 0)
			buf_adds(out, ", HEAD");
		separator = ", ";
	}
}
