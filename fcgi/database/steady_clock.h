/* SPDX-License-Identifier: MIT */
/*
 * The clock of a database, by which the ages and waits of its rows are judged. It goes at the speed of the monotonic
 * clock, and over a stop of the program it goes on from where it stood. Setting the machine's clock does not move it:
 *no message waits for a day and no key expires at once. A new database takes its first time from the machine's clock.
 * While the program is stopped there is only the machine's clock to go by: it is believed from nothing up to a limit.
 *
 * The time outlives a stop in a database whose schema has the table `clock`:
 *
 *	CREATE TABLE clock (id INTEGER PRIMARY KEY CHECK (id = 1), steady_ms INTEGER NOT NULL,
 *		wall_ms INTEGER NOT NULL) STRICT;
 */
#ifndef APM_DATABASE_STEADY_CLOCK_H
#define APM_DATABASE_STEADY_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "database/query.h"

struct steady_clock {
	int64_t start_ms;  /* its time when the database was opened */
	uint64_t start_ns; /* the monotonic clock then */
	bool kept;         /* there is a table to keep the time in */
	int64_t ahead_ms;  /* of the machine's clock, when the time was kept */
	uint64_t due_ns;   /* it is kept again at this monotonic time, or when the machine's clock is set */
};

/* Starts the clock of a new, zeroed struct. When the database is opened, after its schema is there. */
void steady_clock_start(struct steady_clock *clock, struct db_connection *writer, int64_t stop_max_ms);

/* Returns milliseconds since 1970 by the clock; to be compared with times of the same database only. Any thread. */
int64_t steady_clock_now_ms(const struct steady_clock *clock);

/* Returns true if the time is to be kept now: every hour, and a second after the machine's clock was set. */
bool steady_clock_is_due(const struct steady_clock *clock);

/* The job that keeps the time; `clock` is the database's. */
db_job steady_clock_keep;

#endif
