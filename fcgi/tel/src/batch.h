/* SPDX-License-Identifier: MIT */
/*
 * A batch of spans, metrics or log records: encoded, and the connection that sends them. The public part, for spans, is
 * in ship.h. Internal to tel/.
 */
#ifndef TEL_BATCH_H
#define TEL_BATCH_H

#include "tel/ship.h"
#include "tel/src/otlp_http.h"
#include "tel/src/settings.h"

/* Sets the settings that batches use; they must stay valid. Call it before threads start. */
void batch_configure(const struct settings *settings);

/* A batch of up to `items_max` of them. Returns NULL when memory is short, or before batch_configure. */
struct tel_batch *batch_new(enum signal signal, size_t items_max);

/*
 * Appends an item, which is counted as made elsewhere: `encode` writes the record as a field OTLP_ITEM of `out`, and
 * may change the record for that. Returns false if the batch is full.
 */
bool batch_add(struct tel_batch *batch, void (*encode)(struct buf *out, void *record, size_t bytes), void *record,
	       size_t bytes);

/* The same for a record of `items` items (at least 1) that stay together. Returns false if they do not all fit. */
bool batch_add_many(struct tel_batch *batch, void (*encode)(struct buf *out, void *record, size_t bytes), void *record,
		    size_t bytes, size_t items);

/*
 * Makes one attempt to send the batch. Counts the outcome, logs a failure at most once a minute and its end, and
 * empties the batch when the collector has taken or refused it. The result is valid until the next attempt.
 */
const struct otlp_result *batch_post(struct tel_batch *batch);

/* Empties the batch, counting its items as failed for the reason of the last attempt. */
void batch_give_up(struct tel_batch *batch);

/* Empties the batch at the end of the program. Returns how many items were counted, which are those it tried to send.
 */
size_t batch_abandon(struct tel_batch *batch);

/* From any thread: attempts end within `grace_ms` from now. */
void batch_stop(struct tel_batch *batch, unsigned grace_ms);

/*
 * Returns the wait before another attempt, after `failures` (1 or more) in a row: 1 s, doubled up to 5 s, and shortened
 * by up to a fifth according to `random`, so that the clients of a collector do not all return at the same moment.
 */
unsigned batch_backoff_ms(unsigned failures, uint64_t random);

/* Returns the wait before the next attempt: the backoff, or the collector's Retry-After if that is longer. */
unsigned batch_retry_ms(const struct tel_batch *batch);

/* For a forked child, whose parent's batches are not its own. batch_keep keeps one that nobody needs any more. */
void batch_in_child(void);
void batch_keep(struct tel_batch *batch);

/* Spans in all batches. Any thread. */
size_t batch_pending_spans(void);

#endif
