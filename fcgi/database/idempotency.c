/* SPDX-License-Identifier: MIT */
#include "database/idempotency.h"

#include <pthread.h>
#include <string.h>

#include "database/connection.h"
#include "database/steady_clock.h"
#include "database/timestamp.h"

DB_STATEMENT(find_key, "SELECT", "idempotency",
	     "SELECT resource_id FROM idempotency WHERE key = ?1 AND created_at > ?2");

/* A key that has expired but was not purged yet is free again. */
DB_STATEMENT(record_key, "INSERT", "idempotency",
	     "INSERT INTO idempotency (key, resource_id, created_at) VALUES (?1, ?2, ?3)"
	     " ON CONFLICT (key) DO UPDATE SET resource_id = excluded.resource_id, created_at = excluded.created_at"
	     " WHERE created_at <= ?4");

DB_STATEMENT(purge_keys, "DELETE", "idempotency",
	     "DELETE FROM idempotency WHERE key IN"
	     " (SELECT key FROM idempotency WHERE created_at <= ?1 ORDER BY created_at LIMIT ?2)");

DB_STATEMENT(bound_keys, "UPDATE", "idempotency", "UPDATE idempotency SET created_at = ?1 WHERE created_at > ?1");

/* ---- requests that run now: as many as there are threads, so a list will do ---- */

static pthread_mutex_t claims_lock = PTHREAD_MUTEX_INITIALIZER;
static struct idempotency_key *claims;

static bool is_claimed(const struct idempotency_key *key)
{
	for (const struct idempotency_key *c = claims; c; c = c->next)
		if (c->len == key->len && memcmp(c->text, key->text, key->len) == 0)
			return true;
	return false;
}

bool idempotency_claim(struct idempotency_key *key)
{
	if (key->len == 0)
		return true;
	pthread_mutex_lock(&claims_lock);
	bool taken = is_claimed(key);
	if (!taken) {
		key->next = claims;
		claims = key;
	}
	pthread_mutex_unlock(&claims_lock);
	return !taken;
}

void idempotency_release(struct idempotency_key *key)
{
	pthread_mutex_lock(&claims_lock);
	for (struct idempotency_key **c = &claims; *c; c = &(*c)->next) {
		if (*c == key) {
			*c = key->next;
			break;
		}
	}
	pthread_mutex_unlock(&claims_lock);
}

/* ---- the table ---- */

/* Binds the time of `ago_ms` before now by the database's clock, as text in `storage`. */
static void bind_time(struct db_query *q, int64_t ago_ms, char *storage)
{
	db_time(steady_clock_now_ms(q->db->clock) - ago_ms, storage);
	db_bind_text(q, storage);
}

enum db_result idempotency_find(struct db_connection *db, const struct idempotency_key *key, int64_t *resource_id)
{
	char expired[DB_TIME_SIZE];
	struct db_query q;

	if (key->len == 0)
		return DB_NOT_FOUND;
	db_query(&q, db, &find_key);
	db_bind_text(&q, key->text);
	bind_time(&q, DB_DAY_MS, expired);
	bool found = db_next(&q);
	if (found)
		*resource_id = db_int(&q, 0);
	enum db_result result = db_end(&q);
	return result == DB_OK && !found ? DB_NOT_FOUND : result;
}

enum db_result idempotency_record(struct db_connection *tx, const struct idempotency_key *key, int64_t resource_id)
{
	char now[DB_TIME_SIZE], expired[DB_TIME_SIZE];
	struct db_query q;

	if (key->len == 0)
		return DB_OK;
	db_query(&q, tx, &record_key);
	db_bind_text(&q, key->text);
	db_bind_int(&q, resource_id);
	bind_time(&q, 0, now);
	bind_time(&q, DB_DAY_MS, expired);
	enum db_result result = db_end(&q);
	return result == DB_OK && db_changes(tx) == 0 ? DB_CONFLICT : result;
}

enum db_result idempotency_bound(struct db_connection *tx)
{
	char now[DB_TIME_SIZE];
	struct db_query q;

	db_query(&q, tx, &bound_keys);
	bind_time(&q, 0, now);
	return db_end(&q);
}

enum db_result idempotency_purge(struct db_connection *tx, int64_t limit, int64_t *removed)
{
	char expired[DB_TIME_SIZE];
	struct db_query q;

	db_query(&q, tx, &purge_keys);
	bind_time(&q, DB_DAY_MS, expired);
	db_bind_int(&q, limit);
	enum db_result result = db_end(&q);
	if (result == DB_OK)
		*removed = db_changes(tx);
	return result;
}
