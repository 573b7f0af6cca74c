/* SPDX-License-Identifier: MIT */
#include "outbox/message.h"

#include <stdio.h>
#include <string.h>

#include "base/random.h"

#define OWN_TRY_MS 5000 /* for so long the request tries by itself */

/* The subjects of the databases that there are were orders: hence the column's name. */
DB_STATEMENT(add_message, "INSERT", "outbox",
	     "INSERT INTO outbox (order_id, event_id, payload, traceparent, next_attempt_ms, created_at)"
	     " VALUES (?1, ?2, ?3, ?4, ?5, ?6)");

/*
 * A UUID of version 7 (RFC 9562 section 5.7) begins with the time, so the receiver's index of event ids grows at its
 * end. Random ones would each touch a page of their own.
 */
static void make_uuid(char *out)
{
	uint64_t high = (uint64_t)db_now_ms() << 16 | 0x7000 | (random_u64() & 0xfff);
	uint64_t low = (random_u64() >> 2) | UINT64_C(0x8000000000000000);

	snprintf(out, OUTBOX_EVENT_ID_SIZE, "%08x-%04x-%04x-%04x-%012llx", (unsigned)(high >> 32),
		 (unsigned)(high >> 16) & 0xffff, (unsigned)high & 0xffff, (unsigned)(low >> 48),
		 (unsigned long long)(low & UINT64_C(0xffffffffffff)));
}

void outbox_message_init(struct outbox_message *message)
{
	struct tel_carrier carrier;

	message->id = 0;
	message->subject_id = 0;
	message->payload_len = 0;
	message->attempts = 0;
	make_uuid(message->event_id);
	tel_span_inject(tel_span_current(), &carrier);
	memcpy(message->traceparent, carrier.traceparent, sizeof(message->traceparent));
}

enum db_result outbox_add(struct db_connection *tx, struct outbox_message *message)
{
	int64_t now_ms = db_steady_ms(tx);
	char now[DB_TIME_SIZE];
	struct db_query q;

	db_time(now_ms, now);
	db_query(&q, tx, &add_message);
	db_bind_int(&q, message->subject_id);
	db_bind_text(&q, message->event_id);
	db_bind_text(&q, message->payload);
	db_bind_text(&q, message->traceparent);
	db_bind_int(&q, now_ms + OWN_TRY_MS);
	db_bind_text(&q, now);
	enum db_result result = db_end(&q);
	message->id = db_inserted_id(tx);
	return result;
}
