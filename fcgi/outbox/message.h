/* SPDX-License-Identifier: MIT */
/* A message about a subject, such as an order, which is stored in the transaction that makes it true. */
#ifndef APM_OUTBOX_MESSAGE_H
#define APM_OUTBOX_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "database/database.h"

#define OUTBOX_EVENT_ID_SIZE 37 /* 36 characters, a UUID, and NUL */
#define OUTBOX_PAYLOAD_MAX 4096 /* bytes */

struct outbox_message {
	int64_t id;         /* of the row, set by outbox_add */
	int64_t subject_id; /* a row of the same database */
	char event_id[OUTBOX_EVENT_ID_SIZE];
	char payload[OUTBOX_PAYLOAD_MAX]; /* JSON */
	size_t payload_len;
	int64_t attempts;                             /* failed ones, of the relay and the request */
	char traceparent[TEL_TRACEPARENT_LENGTH + 1]; /* of the request's span, for the link; "" when it had none */
};

/* Fills event_id (a UUID of version 7) and the trace context of the thread's current span; clears the rest. */
void outbox_message_init(struct outbox_message *message);

/*
 * Stores the message and sets message->id. Call it inside the job that stores the subject. The relay leaves the row
 * alone for 5 s, in which the request tries to deliver it.
 */
enum db_result outbox_add(struct db_connection *tx, struct outbox_message *message);

/*
 * Sends one message; returns true if the receiver has it. Runs on threads of its own, several at a time, under a root
 * span that links to the request's.
 */
typedef bool outbox_deliver(const struct outbox_message *message);

#endif
