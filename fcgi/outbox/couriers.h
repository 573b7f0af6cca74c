/* SPDX-License-Identifier: MIT */
/*
 * Those who carry messages of the outbox: threads, each with one message on its way, so that a receiver that answers
 * slowly is waited for by several at a time. They take what is in their queue in its order. The relay fills the queue
 * and stores how tries ended; what is in the queue when the program ends is still in the rows.
 *
 * After three failures in a row they make one try a second, one at a time, until one succeeds or couriers_cheer is
 * called: a dead receiver is not stormed, and the queue goes on at once when it is back.
 */
#ifndef APM_OUTBOX_COURIERS_H
#define APM_OUTBOX_COURIERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "outbox/outbox.h"

#define COURIERS 4         /* messages that are on their way at a time */
#define COURIERS_QUEUE 256 /* messages that wait for one */

/* All are called on a courier's thread, without a lock. */
struct couriers_calls {
	outbox_deliver *deliver;
	void (*told)(const struct outbox_message *message, bool delivered); /* how a try ended */
	void (*hungry)(void);                                               /* the queue was full and is half empty */
	void (*thread_done)(void); /* or NULL: before a courier's thread ends */
};

/* Starts the threads with an empty queue. 0 or -errno: then none runs. */
int couriers_start(const struct couriers_calls *calls);

/* How many messages the queue takes now. Any thread; only one gives. */
size_t couriers_room(void);

/* Puts a copy at the end of the queue, which must have room. */
void couriers_give(const struct outbox_message *message);

/* True: the row is in the queue or on its way; until `told` has returned. Any thread. */
bool couriers_have(int64_t id);

/* Somebody else has reached the receiver: it lives. Any thread. */
void couriers_cheer(void);

/* Empties the queue and ends the couriers after the messages that they carry. False: some still do at the monotonic
 * `deadline_ns`; to be called again. */
bool couriers_stop(uint64_t deadline_ns);

#endif
