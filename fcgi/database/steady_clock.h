/* SPDX-License-Identifier: MIT */
/*
 * The clock of a store, which ages and waits of its rows are judged by. It goes on from where it stood, at the speed of
 * the monotonic clock, and whoever sets the machine's clock moves it in nothing: no message waits for a day and no key
 * expires at once. A new store takes its first time from the machine's clock. While the program is stopped the
 * machine's clock is all there is to go by: it is believed from nothing up to an hour.
 *
 * A schema that has the table `clock` lets it go on at the next start:
 *
 *	CREATE TABLE clock (id INTEGER PRIMARY KEY CHECK (id = 1), steady_ms INTEGER NOT NULL,
 *		wall_ms INTEGER NOT NULL) STRICT;
 */
#ifndef APM_DATABASE_STEADY_CLOCK_H
#define APM_DATABASE_STEADY_CLOCK_H

#include <stdint.h>

#include "database/database.h"

#define STEADY_STOP_MAX_MS 3600000 /* what a stop counts at most; save as often */

struct steady {
	int64_t start_ms;  /* its time when the store was opened */
	uint64_t start_ns; /* the monotonic clock then */
};

/* Milliseconds since 1970 by the store's clock; to be compared with times of the same store only. Any thread. */
int64_t steady_now_ms(const struct database *database);

/* When the store is opened, after its schema is there. */
void steady_start(struct database *database);

/* Inside a job: keeps the present time in `clock`. Within STEADY_STOP_MAX_MS after the last time. */
enum db_result steady_save(struct db_connection *tx);

/* The same as a write of its own. Any thread. */
enum db_result steady_keep(struct database *database);

#endif
