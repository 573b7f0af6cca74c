/* SPDX-License-Identifier: MIT */
/* When the spans of a line of the access log began and ended. Its clock has a millisecond. Pure. */
#ifndef APM_GATEWAY_ACCESS_TIME_H
#define APM_GATEWAY_ACCESS_TIME_H

#include "gateway/access_log.h"

struct access_interval {
	uint64_t start_ns, end_ns; /* realtime */
};

/* Returns the interval of the SERVER span. nginx rounds both times down: the request may have ended 1 ms later. */
struct access_interval access_time_of_request(const struct access_line *line);

/*
 * Returns the interval of an upstream attempt, which lies inside the request's. Attempts follow one another. When the
 * log does not say when the first one began, they are taken to end with the request: its body was read before them, and
 * the answer is sent at once. The start and each duration may be wrong by 1 ms either way, so the interval is widened
 * until all that the attempt has caused lies inside it.
 */
struct access_interval access_time_of_attempt(const struct access_line *line, size_t attempt);

#endif
