/* SPDX-License-Identifier: MIT */
#include "database/timestamp.h"

#include "base/clock.h"

int64_t db_now_ms(void)
{
	return (int64_t)(clock_realtime_ns() / NS_PER_MS);
}

void db_time(int64_t unix_ms, char *out)
{
	_Static_assert(DB_TIME_SIZE >= CLOCK_RFC3339_SIZE, "the time fits");
	clock_rfc3339(unix_ms > 0 ? (uint64_t)unix_ms * NS_PER_MS : 0, 3, out);
}
