/* SPDX-License-Identifier: MIT */
#include "database/steady_clock.h"

#include "base/clock.h"
#include "database/connection.h"

DB_STATEMENT(save_clock, "INSERT", "clock",
	     "INSERT INTO clock (id, steady_ms, wall_ms) VALUES (1, ?1, ?2)"
	     " ON CONFLICT (id) DO UPDATE SET steady_ms = excluded.steady_ms, wall_ms = excluded.wall_ms");

int64_t steady_now_ms(const struct database *database)
{
	const struct steady *steady = &database->steady;

	return steady->start_ms + (int64_t)((clock_monotonic_ns() - steady->start_ns) / NS_PER_MS);
}

/* Where the clock stands after a stop. */
static int64_t go_on(int64_t steady_ms, int64_t wall_ms, int64_t now_ms)
{
	int64_t stopped_ms = now_ms > wall_ms ? now_ms - wall_ms : 0;

	return steady_ms + (stopped_ms < STEADY_STOP_MAX_MS ? stopped_ms : STEADY_STOP_MAX_MS);
}

void steady_start(struct database *database)
{
	struct steady *steady = &database->steady;
	int64_t steady_ms, wall_ms;

	steady->start_ns = clock_monotonic_ns();
	steady->start_ms = db_now_ms();
	if (connection_int(database->writer, "SELECT steady_ms FROM clock", &steady_ms) &&
	    connection_int(database->writer, "SELECT wall_ms FROM clock", &wall_ms))
		steady->start_ms = go_on(steady_ms, wall_ms, steady->start_ms);
}

enum db_result steady_save(struct db_connection *tx)
{
	struct db_query q;

	db_query(&q, tx, &save_clock);
	db_bind_int(&q, steady_now_ms(tx->database));
	db_bind_int(&q, db_now_ms());
	return db_end(&q);
}

static enum db_result save(struct db_connection *tx, void *arg)
{
	(void)arg;
	return steady_save(tx);
}

enum db_result steady_keep(struct database *database)
{
	return db_write(database, &save_clock, save, NULL);
}
