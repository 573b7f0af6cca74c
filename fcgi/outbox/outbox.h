/* SPDX-License-Identifier: MIT */
/*
 * The transactional outbox: a message is stored in the transaction that makes it true, and delivered until the receiver
 * has it, at least once; the receiver takes each event id once. Table `outbox`.
 *
 *	outbox_message_init(&message);
 *	…in the job that stores the subject: message.subject_id, message.payload; outbox_add(tx, &message)
 *	…after the commit, the request's own try:
 *	if (send(&message)) outbox_delivered(message.id); else outbox_retry(message.id);
 *
 * One process works on a table. The receiver knows of a subject when it has no undelivered row, or outbox_is_delivered
 * says so.
 */
#ifndef APM_OUTBOX_OUTBOX_H
#define APM_OUTBOX_OUTBOX_H

#include "outbox/message.h"

/*
 * Tells how the request's own try ended. The relay marks a delivered row within a second, in a batch; after a failure
 * it tries from half a second on. Any thread; never blocks on the disk.
 */
void outbox_delivered(int64_t id);
void outbox_retry(int64_t id);

/* Returns true if the row was delivered recently and the database may not show it yet. Any thread. */
bool outbox_is_delivered(int64_t id);

/* The outbox of a service. */
struct outbox {
	outbox_deliver *deliver;
	const char *subject;        /* the attribute of spans and log lines that has subject_id: "order.id" */
	struct tel_metric *pending; /* set at every scrape: how many messages the receiver does not have yet, */
	struct tel_metric *oldest;  /* and the age of the oldest of them, in seconds */
};

/*
 * Starts the relay's thread and its couriers (outbox/couriers.h), who carry a few messages at a time. They begin with
 * the row that has been due for longest, so that none starves; each row is tried again after 0.5 s to 30 s with jitter,
 * also across restarts. After three failures in a row they make one try a second until one or a request succeeds: a
 * dead receiver is not stormed, and the backlog is due at once when it is back. The relay forgets delivered rows and
 * idempotency keys after 24 h, and sleeps while there is nothing to do. Its operations on the database make no spans.
 * Ages and waits are by the database's clock (database/steady_clock.h).
 *
 * `outbox` must stay. Before other threads start. Returns 0 or -errno.
 */
int outbox_start(struct database *database, const struct outbox *outbox);

/*
 * Ends the couriers after the messages that they carry, and the relay, which marks what was delivered even if a
 * receiver takes its time and the process is ended meanwhile. Does nothing without outbox_start.
 */
void outbox_stop(void);

#endif
