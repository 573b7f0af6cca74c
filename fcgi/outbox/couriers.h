/* SPDX-License-Identifier: MIT */
/*
 * Couriers are the threads that carry messages of the outbox, each with one message on its way, so that several wait at
 * a time for a receiver that answers slowly. They take messages from a queue, in its order. The relay fills the queue
 * and stores how tries ended; a message that is in the queue when the program ends is still in its row.
 *
 * After three failures in a row they make one try a second, one at a time, until one succeeds or couriers_cheer is
 * called: a dead receiver is not stormed, and the queue goes on at once when it is back.
 */
#ifndef APM_OUTBOX_COURIERS_H
#define APM_OUTBOX_COURIERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "outbox/message.h"

#define COURIERS 4         /* messages that are on their way at a time */
#define COURIERS_QUEUE 256 /* messages that wait for one */

/* The functions are called on a courier's thread, without a lock. */
struct couriers_setup {
	outbox_deliver *deliver;
	bool (*is_delivered)(int64_t id); /* somebody else has delivered the message meanwhile */
	void (*told)(const struct outbox_message *message, bool delivered); /* how a try ended */
	void (*hungry)(void);                                               /* the queue was full and is half empty */
	const char *subject;                                                /* see struct outbox */
};

/* Starts the threads with an empty queue. Returns 0, or -errno when none runs. */
int couriers_start(const struct couriers_setup *setup);

/* Returns how many messages the queue takes now. Any thread; only one gives. */
size_t couriers_room(void);

/* Puts a copy at the end of the queue, which must have room. */
void couriers_give(const struct outbox_message *message);

/* Returns true while the row is in the queue or on its way, until `told` has returned. Any thread. */
bool couriers_have(int64_t id);

/* Says that somebody else has reached the receiver, so that it lives. Any thread. */
void couriers_cheer(void);

/*
 * Empties the queue and ends the couriers after the messages that they carry. Returns false if some still carry one at
 * the monotonic `deadline_ns`; call it again then.
 */
bool couriers_stop(uint64_t deadline_ns);

#endif
