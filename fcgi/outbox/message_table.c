/* SPDX-License-Identifier: MIT */
#include "outbox/message_table.h"

#include <string.h>

#include "database/idempotency.h"

#define PURGE_ROWS 500 /* in one transaction, which holds up requests that store */

DB_STATEMENT(due_messages, "SELECT", "outbox",
	     "SELECT id, order_id, event_id, payload, traceparent, attempts FROM outbox"
	     " WHERE delivered_at IS NULL AND next_attempt_ms <= ?1 ORDER BY next_attempt_ms, id LIMIT ?2");

DB_STATEMENT(next_attempt, "SELECT", "outbox",
	     "SELECT id, next_attempt_ms FROM outbox WHERE delivered_at IS NULL ORDER BY next_attempt_ms, id LIMIT ?1");

DB_STATEMENT(backlog, "SELECT", "outbox",
	     "SELECT (SELECT count(*) FROM outbox WHERE delivered_at IS NULL),"
	     " (SELECT CAST((julianday(?1) - julianday(created_at)) * 86400000 AS INTEGER) FROM outbox"
	     " WHERE delivered_at IS NULL ORDER BY order_id LIMIT 1)");

DB_STATEMENT(mark_delivered, "UPDATE", "outbox",
	     "UPDATE outbox SET delivered_at = ?2 WHERE id = ?1 AND delivered_at IS NULL");

DB_STATEMENT(mark_failed, "UPDATE", "outbox",
	     "UPDATE outbox SET attempts = attempts + 1, next_attempt_ms = ?2 WHERE id = ?1 AND delivered_at IS NULL");

DB_STATEMENT(bound_waits, "UPDATE", "outbox",
	     "UPDATE outbox SET next_attempt_ms = ?1 WHERE delivered_at IS NULL AND next_attempt_ms > ?1");

DB_STATEMENT(bound_ages, "UPDATE", "outbox",
	     "UPDATE outbox SET created_at = ?1 WHERE delivered_at IS NULL AND created_at > ?1");

DB_STATEMENT(bound_deliveries, "UPDATE", "outbox",
	     "UPDATE outbox SET delivered_at = ?1 WHERE delivered_at IS NOT NULL AND delivered_at > ?1");

DB_STATEMENT(purge_messages, "DELETE", "outbox",
	     "DELETE FROM outbox WHERE id IN"
	     " (SELECT id FROM outbox WHERE delivered_at IS NOT NULL AND delivered_at <= ?1"
	     " ORDER BY delivered_at LIMIT ?2)");

/* ---- reading ---- */

static void read_message(struct db_query *q, struct outbox_message *m)
{
	m->id = db_int(q, 0);
	m->subject_id = db_int(q, 1);
	db_copy(q, 2, m->event_id, sizeof(m->event_id));
	db_copy(q, 3, m->payload, sizeof(m->payload));
	m->payload_len = strlen(m->payload);
	db_copy(q, 4, m->traceparent, sizeof(m->traceparent));
	m->attempts = db_int(q, 5);
}

enum db_result outbox_due(struct db_connection *db, const struct outbox_claims *claims, struct outbox_message *out,
			  size_t max, size_t *count)
{
	struct db_query q;

	*count = 0;
	db_query(&q, db, &due_messages);
	db_bind_int(&q, db_steady_ms(db));
	db_bind_int(&q, (int64_t)(max + claims->count));
	while (*count < max && db_next(&q))
		if (!claims->is_claimed(db_int(&q, 0)))
			read_message(&q, &out[(*count)++]);
	return db_end(&q);
}

enum db_result outbox_next_attempt(struct db_connection *db, const struct outbox_claims *claims, int64_t *wait_ms)
{
	struct db_query q;

	*wait_ms = INT64_MAX;
	db_query(&q, db, &next_attempt);
	db_bind_int(&q, (int64_t)(1 + claims->count));
	while (*wait_ms == INT64_MAX && db_next(&q))
		if (!claims->is_claimed(db_int(&q, 0)))
			*wait_ms = db_int(&q, 1) - db_steady_ms(db);
	return db_end(&q);
}

enum db_result outbox_backlog(struct db_connection *db, int64_t *pending, int64_t *oldest_ms)
{
	char now[DB_TIME_SIZE];
	struct db_query q;

	db_time(db_steady_ms(db), now);
	db_query(&q, db, &backlog);
	db_bind_text(&q, now);
	if (db_next(&q)) {
		*pending = db_int(&q, 0);
		*oldest_ms = db_int(&q, 1);
	}
	return db_end(&q);
}

/* ---- writing ---- */

struct record_job {
	const struct outbox_outcome *outcomes;
	size_t count;
};

static enum db_result record_one(struct db_connection *tx, const struct outbox_outcome *o, const char *now)
{
	struct db_query q;

	db_query(&q, tx, o->delivered ? &mark_delivered : &mark_failed);
	db_bind_int(&q, o->id);
	if (o->delivered)
		db_bind_text(&q, now);
	else
		db_bind_int(&q, o->next_attempt_ms);
	return db_end(&q);
}

static enum db_result record_all(struct db_connection *tx, void *arg)
{
	const struct record_job *job = arg;
	enum db_result result = DB_OK;
	char now[DB_TIME_SIZE];

	db_time(db_steady_ms(tx), now);
	for (size_t i = 0; i < job->count && result == DB_OK; i++)
		result = record_one(tx, &job->outcomes[i], now);
	return result;
}

enum db_result outbox_record(struct database *database, const struct outbox_outcome *outcomes, size_t count)
{
	struct record_job job = {.outcomes = outcomes, .count = count};

	return db_write(database, &mark_delivered, record_all, &job);
}

static enum db_result bound_one(struct db_connection *tx, struct db_statement *statement, const char *now)
{
	struct db_query q;

	db_query(&q, tx, statement);
	db_bind_text(&q, now);
	return db_end(&q);
}

static enum db_result bound_all(struct db_connection *tx, void *arg)
{
	int64_t now_ms = db_steady_ms(tx);
	char now[DB_TIME_SIZE];
	struct db_query q;

	db_time(now_ms, now);
	db_query(&q, tx, &bound_waits);
	db_bind_int(&q, now_ms + *(const int64_t *)arg);
	enum db_result result = db_end(&q);
	if (result == DB_OK)
		result = bound_one(tx, &bound_ages, now);
	if (result == DB_OK)
		result = bound_one(tx, &bound_deliveries, now);
	if (result == DB_OK)
		result = idempotency_bound(tx);
	return result;
}

enum db_result outbox_bound_times(struct database *database, int64_t wait_max_ms)
{
	return db_write(database, &bound_waits, bound_all, &wait_max_ms);
}

static enum db_result purge_some(struct db_connection *tx, void *arg)
{
	bool *more = arg;
	char expired[DB_TIME_SIZE];
	struct db_query q;
	int64_t keys = 0;

	db_time(db_steady_ms(tx) - DB_DAY_MS, expired);
	db_query(&q, tx, &purge_messages);
	db_bind_text(&q, expired);
	db_bind_int(&q, PURGE_ROWS);
	enum db_result result = db_end(&q);
	if (result != DB_OK)
		return result;
	*more = db_changes(tx) == PURGE_ROWS;

	result = idempotency_purge(tx, PURGE_ROWS, &keys);
	*more = *more || keys == PURGE_ROWS;
	return result;
}

enum db_result outbox_purge(struct database *database, bool *more)
{
	*more = false;
	return db_write(database, &purge_messages, purge_some, more);
}
