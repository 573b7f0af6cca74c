/* SPDX-License-Identifier: MIT */
#include "gateway/access_time.h"

#include "base/clock.h"

/* Returns 0 instead of a time before 1970. */
static uint64_t minus(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

struct access_interval access_time_of_request(const struct access_line *line)
{
	return (struct access_interval){minus(line->end_ns, line->duration_ns), line->end_ns + NS_PER_MS};
}

/* Returns the time of the interval that is nearest to `ns`. */
static uint64_t within(const struct access_interval *interval, uint64_t ns)
{
	return ns < interval->start_ns ? interval->start_ns : ns > interval->end_ns ? interval->end_ns : ns;
}

static bool knows_upstream_start(const struct access_line *line, const struct access_interval *server)
{
	return line->upstream_start_ns >= server->start_ns && line->upstream_start_ns <= server->end_ns;
}

struct access_interval access_time_of_attempt(const struct access_line *line, size_t attempt)
{
	struct access_interval server = access_time_of_request(line);
	bool exact = knows_upstream_start(line, &server);
	uint64_t before = 0, total = 0;

	for (size_t i = 0; i < line->attempt_count; i++) {
		if (i < attempt)
			before += line->attempts[i].duration_ns;
		total += line->attempts[i].duration_ns;
	}
	uint64_t first = exact ? line->upstream_start_ns : minus(line->end_ns, total + NS_PER_MS);
	struct access_interval out = {
		.start_ns = minus(first + before, attempt * NS_PER_MS),
		.end_ns = first + before + line->attempts[attempt].duration_ns + (attempt + 2) * NS_PER_MS,
	};
	if (!exact && attempt + 1 == line->attempt_count)
		out.end_ns = server.end_ns;
	out.start_ns = within(&server, out.start_ns);
	out.end_ns = within(&server, out.end_ns);
	if (out.end_ns < out.start_ns)
		out.end_ns = out.start_ns;
	return out;
}
