/* SPDX-License-Identifier: MIT */
/*
 * Idempotency-Key (draft-ietf-httpapi-idempotency-key-header-07): a key that was used for a stored resource answers
 * with that resource. Only stored results are remembered, in the table `idempotency`, for 24 h by the store's clock
 * (database/steady_clock.h).
 */
#ifndef APM_DATABASE_IDEMPOTENCY_H
#define APM_DATABASE_IDEMPOTENCY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "database/query.h"

#define IDEMPOTENCY_KEY_MAX 255 /* characters */

struct idempotency_key {
	char text[IDEMPOTENCY_KEY_MAX + 1]; /* without the quotes */
	size_t bytes;                       /* 0: none was sent */
	struct idempotency_key *next;       /* of the claimed ones */
};

/*
 * Reads the header's value: a structured-field string ("…", RFC 8941 section 3.3.3), or the same without quotes, as
 * most clients send it: visible ASCII but no comma, quote or backslash. NULL: none was sent, which is fine. False:
 * malformed or longer than IDEMPOTENCY_KEY_MAX (400); `out` is untouched. Pure.
 */
bool idempotency_parse(const char *header, struct idempotency_key *out);

/*
 * Claims a key for the request that runs now; `key` stays in place until idempotency_release. False: another request is
 * running with it (409), and nothing is to be released. No key (0 bytes) is always free. Any thread.
 */
bool idempotency_claim(struct idempotency_key *key);
void idempotency_release(struct idempotency_key *key);

/*
 * Looks up a key that is younger than 24 h: a store operation of its own. DB_OK with *resource_id, DB_NOT_FOUND (also
 * for no key, without an operation), or an error.
 */
enum db_result idempotency_find(struct db_connection *db, const struct idempotency_key *key, int64_t *resource_id);

/* Inside the job that stores the resource. DB_CONFLICT: the key exists. No key: does nothing. */
enum db_result idempotency_record(struct db_connection *tx, const struct idempotency_key *key, int64_t resource_id);

/* Inside a job, at the start: no key is from the future, whatever clock it was stored by. */
enum db_result idempotency_bound(struct db_connection *tx);

/* Inside a job: forgets keys older than 24 h, `limit` at most. *removed: how many. */
enum db_result idempotency_purge(struct db_connection *tx, int64_t limit, int64_t *removed);

#endif
