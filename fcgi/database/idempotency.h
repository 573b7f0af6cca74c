/* SPDX-License-Identifier: MIT */
/*
 * Idempotency-Key (draft-ietf-httpapi-idempotency-key-header-07): a key that was used for a stored resource answers
 * with that resource. Only stored results are remembered, in the table `idempotency`, for 24 h by the database's clock
 * (steady_clock.h).
 */
#ifndef APM_DATABASE_IDEMPOTENCY_H
#define APM_DATABASE_IDEMPOTENCY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "database/query.h"

#define IDEMPOTENCY_KEY_MAX 255 /* characters; http/idempotency_key.h reads them from the header */

struct idempotency_key {
	char text[IDEMPOTENCY_KEY_MAX + 1]; /* without the quotes */
	size_t len;                         /* 0 if none was sent */
	struct idempotency_key *next;       /* of the claimed ones */
};

/*
 * Claims a key for the request that runs now; `key` stays in place until idempotency_release. Returns false if another
 * request is running with it (409); nothing is to be released then. No key (0 bytes) is always free. Any thread.
 */
bool idempotency_claim(struct idempotency_key *key);
void idempotency_release(struct idempotency_key *key);

/*
 * Looks up a key that is younger than 24 h, as an operation of its own. Returns DB_OK with *resource_id, DB_NOT_FOUND
 * (also, without an operation, for no key), or an error.
 */
enum db_result idempotency_find(struct db_connection *db, const struct idempotency_key *key, int64_t *resource_id);

/*
 * Remembers the key; does nothing for no key. Call it inside the job that stores the resource. Returns DB_CONFLICT if
 * the key exists.
 */
enum db_result idempotency_record(struct db_connection *tx, const struct idempotency_key *key, int64_t resource_id);

/* Sets keys that a wrong clock has stored in the future to the present. Inside a job, at the start. */
enum db_result idempotency_bound(struct db_connection *tx);

/* Forgets at most `limit` keys that are older than 24 h; *removed is their number. Inside a job. */
enum db_result idempotency_purge(struct db_connection *tx, int64_t limit, int64_t *removed);

#endif
