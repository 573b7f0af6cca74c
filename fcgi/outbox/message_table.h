/* SPDX-License-Identifier: MIT */
/* The table of messages, as the relay reads and writes it. Others include outbox/outbox.h. */
#ifndef APM_OUTBOX_MESSAGE_TABLE_H
#define APM_OUTBOX_MESSAGE_TABLE_H

#include "outbox/message.h"

/* How a try ended. */
struct outbox_outcome {
	int64_t id;
	bool delivered;
	int64_t next_attempt_ms; /* by the database's clock, if it failed */
};

/* Rows that somebody works on already. */
struct outbox_claims {
	bool (*is_claimed)(int64_t id);
	size_t count; /* at most so many are claimed */
};

/* Reads up to `max` undelivered rows whose time has come and that nobody has claimed, those due for longest first. */
enum db_result outbox_due(struct db_connection *db, const struct outbox_claims *claims, struct outbox_message *out,
			  size_t max, size_t *count);

/* Sets the milliseconds to the next attempt that nobody has claimed: 0 or less if it is due, INT64_MAX without one. */
enum db_result outbox_next_attempt(struct db_connection *db, const struct outbox_claims *claims, int64_t *wait_ms);

/* Sets how many rows are pending, and the age of the oldest, 0 without one. */
enum db_result outbox_backlog(struct db_connection *db, int64_t *pending, int64_t *oldest_ms);

/* Stores how tries ended, in one transaction. */
enum db_result outbox_record(struct database *database, const struct outbox_outcome *outcomes, size_t count);

/*
 * Corrects what a clock that was ahead has left, at the start: after this nothing waits for longer than `wait_max_ms`,
 * and nothing is from the future.
 */
enum db_result outbox_bound_times(struct database *database, int64_t wait_max_ms);

/* Forgets some messages and idempotency keys that are older than 24 h. *more says whether there are more. */
enum db_result outbox_purge(struct database *database, bool *more);

#endif
