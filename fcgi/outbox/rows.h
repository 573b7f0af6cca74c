/* SPDX-License-Identifier: MIT */
/* The rows of the outbox as the relay works on them; the relay decides when. Others include store/outbox.h. */
#ifndef APM_OUTBOX_ROWS_H
#define APM_OUTBOX_ROWS_H

#include "outbox/outbox.h"

/* How a try ended. */
struct outbox_outcome {
	int64_t id;
	bool delivered;
	int64_t next_attempt_ms; /* by the store's clock, when it failed */
};

/* Rows that somebody works on, so that they are no news. */
struct outbox_claims {
	bool (*is_claimed)(int64_t id);
	size_t count; /* as many at most */
};

/* Reads up to `max` undelivered rows whose time has come and that nobody has claimed, those due for longest first. */
enum db_result outbox_due(struct db_connection *db, const struct outbox_claims *claims, struct outbox_message *out,
			  size_t max, size_t *count);

/* Milliseconds to the next attempt that nobody has claimed; 0 or less: it is due; INT64_MAX: there is none. */
enum db_result outbox_next_attempt(struct db_connection *db, const struct outbox_claims *claims, int64_t *wait_ms);

/* How many rows are pending, and the age of the oldest, 0 without one. */
enum db_result outbox_backlog(struct db_connection *db, int64_t *pending, int64_t *oldest_ms);

/* Stores what tries came to, in one transaction. */
enum db_result outbox_record(struct database *database, const struct outbox_outcome *outcomes, size_t count);

/*
 * At the start, after a clock that was ahead: nothing waits for longer than `wait_max_ms`, and nothing is from the
 * future. Keeps the store's time.
 */
enum db_result outbox_bound_times(struct database *database, int64_t wait_max_ms);

/* Forgets some of what is older than 24 h, and keeps the store's time. *more: there is more to forget. */
enum db_result outbox_purge(struct database *database, bool *more);

#endif
