/* The rows of the outbox as the relay works on them; the relay decides when. Others include store/outbox.h. */
#ifndef APM_STORE_OUTBOX_ROWS_H
#define APM_STORE_OUTBOX_ROWS_H

#include "store/outbox.h"

/* How a try ended. */
struct outbox_outcome {
	int64_t id;
	bool delivered;
	int64_t next_attempt_ms; /* Unix time, when it failed */
};

/* Reads up to `max` undelivered rows whose time has come, those that are due for longest first. */
enum db_result outbox_due(struct db *db, int64_t now_ms, struct outbox_message *out, size_t max, size_t *count);

/* Unix time of the earliest attempt; INT64_MAX: nothing is pending. */
enum db_result outbox_next_attempt(struct db *db, int64_t *unix_ms);

/* How many rows are pending, and the age of the oldest, 0 without one. */
enum db_result outbox_backlog(struct db *db, int64_t *pending, int64_t *oldest_ms);

/* Stores what tries came to, in one transaction. */
enum db_result outbox_record(struct store *store, const struct outbox_outcome *outcomes, size_t count);

/* After a clock that was ahead: nothing waits for longer than the longest back-off. */
enum db_result outbox_limit_waits(struct store *store, int64_t latest_ms);

/* Forgets some of what is older than 24 h. *more: there is more of it. */
enum db_result outbox_purge(struct store *store, bool *more);

#endif
