/* SPDX-License-Identifier: MIT */
#include "database/steady_clock.h"

#include <stdio.h>

#include "base/clock.h"
#include "database/connection.h"
#include "database/timestamp.h"

#define KEEP_EVERY_NS (3600 * NS_PER_SECOND)
#define RETRY_NS (60 * NS_PER_SECOND)
#define JUMP_MS 1000 /* by so much the machine's clock differs when it was set */

int64_t steady_clock_now_ms(const struct steady_clock *clock)
{
	return clock->start_ms + (int64_t)((clock_monotonic_ns() - clock->start_ns) / NS_PER_MS);
}

void steady_clock_start(struct steady_clock *clock, struct db_connection *writer, int64_t stop_max_ms)
{
	int64_t tables, steady_ms, wall_ms;

	clock->start_ns = clock_monotonic_ns();
	clock->start_ms = db_now_ms();
	clock->kept = connection_int(writer, "SELECT 1 FROM sqlite_schema WHERE name = 'clock'", &tables);
	if (!clock->kept || !connection_int(writer, "SELECT steady_ms FROM clock", &steady_ms) ||
	    !connection_int(writer, "SELECT wall_ms FROM clock", &wall_ms))
		return;
	int64_t stop_ms = clock->start_ms > wall_ms ? clock->start_ms - wall_ms : 0;
	clock->start_ms = steady_ms + (stop_ms < stop_max_ms ? stop_ms : stop_max_ms);
}

static int64_t ahead_ms(const struct steady_clock *clock)
{
	return steady_clock_now_ms(clock) - db_now_ms();
}

bool steady_clock_is_due(const struct steady_clock *clock)
{
	int64_t moved_ms = ahead_ms(clock) - clock->ahead_ms;

	return clock->kept && (clock_monotonic_ns() >= clock->due_ns || moved_ms >= JUMP_MS || moved_ms <= -JUMP_MS);
}

enum db_result steady_clock_keep(struct db_connection *tx, void *arg)
{
	struct steady_clock *clock = arg;
	char sql[160];

	snprintf(sql, sizeof(sql), "INSERT OR REPLACE INTO clock (id, steady_ms, wall_ms) VALUES (1, %lld, %lld)",
		 (long long)steady_clock_now_ms(clock), (long long)db_now_ms());
	enum db_result result = connection_exec(tx, sql) ? DB_OK : db_result_of(tx->error_code);
	clock->ahead_ms = ahead_ms(clock);
	clock->due_ns = clock_monotonic_ns() + (result == DB_OK ? KEEP_EVERY_NS : RETRY_NS);
	return result;
}
