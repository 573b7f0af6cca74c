/* SPDX-License-Identifier: MIT */
/*
 * The transactional outbox: a message is stored in the transaction that makes it true and delivered until the receiver
 * has it, at least once; the receiver takes each event id once. Table `outbox`.
 *
 *	outbox_message_init(&message);
 *	…in the job that stores the order: message.order_id, message.payload; outbox_add(tx, &message)
 *	…after the commit, the request's own try:
 *	if (send(&message)) outbox_delivered(message.id); else outbox_retry(message.id);
 *
 * One process works on a table. Its order is "sent" when it has no undelivered row, or outbox_is_delivered says so.
 */
#ifndef APM_OUTBOX_OUTBOX_H
#define APM_OUTBOX_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "database/database.h"

#define OUTBOX_EVENT_ID_SIZE 37 /* 36 characters, a UUID, and NUL */
#define OUTBOX_PAYLOAD_MAX 4096 /* bytes */

struct outbox_message {
	int64_t id; /* row, set by outbox_add */
	int64_t order_id;
	char event_id[OUTBOX_EVENT_ID_SIZE];
	char payload[OUTBOX_PAYLOAD_MAX]; /* JSON */
	size_t payload_bytes;
	int64_t attempts;                             /* of the relay and the request, that failed */
	char traceparent[TEL_TRACEPARENT_LENGTH + 1]; /* of the request's span, for the link; "" when it had none */
};

/* Fills event_id (a UUID of version 7) and the trace context of the thread's current span. */
void outbox_message_init(struct outbox_message *message);

/*
 * Inside the job that stores the order. Sets message->id. The relay leaves the row alone for 5 s, which is the
 * request's own try.
 */
enum db_result outbox_add(struct db_connection *tx, struct outbox_message *message);

/*
 * How the request's own try ended. The relay marks the row within a second, in a batch; after a failure it tries from
 * half a second on. Any thread; never blocks on the disk.
 */
void outbox_delivered(int64_t id);
void outbox_retry(int64_t id);

/* True when outbox_delivered was said of this row lately, so that it may not be marked yet. Any thread. */
bool outbox_is_delivered(int64_t id);

/*
 * Sends one message; true when the receiver has it. Runs on threads of its own, several at a time, under a root span
 * that links to the request's.
 */
typedef bool outbox_deliver(const struct outbox_message *message);

/*
 * Starts the relay's thread and its couriers (store/couriers.h), who carry a few messages at a time. They begin with
 * the row that is due for longest, so that none starves; each backs off from 0.5 s to 30 s with jitter, also across
 * restarts. After three failures in a row they make one try a second until one or a request succeeds: a dead receiver
 * is not stormed, and the backlog is due at once when it is back. The relay forgets delivered rows and idempotency keys
 * after 24 h, and sleeps while there is nothing to do. Its own store operations make no spans. Ages and waits are by
 * the store's clock (database/steady_clock.h).
 *
 * `thread_done` (or NULL) runs on each courier's thread before it ends. Sets order_outbox_pending and
 * order_outbox_oldest_seconds at every scrape. Before other threads start. 0 or -errno.
 */
int outbox_start(struct database *database, outbox_deliver *deliver, void (*thread_done)(void));

/*
 * Ends the couriers after the messages that they carry, and the relay, which marks what was delivered; also when a
 * receiver takes its time and the process is ended meanwhile. Without outbox_start it does nothing.
 */
void outbox_stop(void);

#endif
