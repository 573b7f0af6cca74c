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

/* What batches use; it must stay. Before threads. */
void batch_configure(const struct settings *settings);

/* A batch of up to `items_max` of them. Returns NULL when memory is short, or before batch_configure. */
struct tel_batch *batch_new(enum signal signal, size_t items_max);

/*
 * Appends an item, which is counted as made elsewhere: `encode` writes the record as a field OTLP_ITEM of `out`, and
 * may change it for that. False: the batch is full.
 */
bool batch_add(struct tel_batch *batch, void (*encode)(struct buf *out, void *record, size_t bytes), void *record,
	       size_t bytes);

/* The same for a record that is so many items, 1 at least, which go together. False: there is no room for them all. */
bool batch_add_many(struct tel_batch *batch, void (*encode)(struct buf *out, void *record, size_t bytes), void *record,
		    size_t bytes, size_t items);

/*
 * One attempt. Counts and tells what came of it (a failure at most once a minute, and that it is over), and empties the
 * batch when the collector has it or refuses it. The result is valid until the next attempt.
 */
const struct otlp_result *batch_post(struct tel_batch *batch);

/* Empties the batch, counting its items as failed for the reason of the last attempt. */
void batch_give_up(struct tel_batch *batch);

/* Empties the batch at the end of the program. Returns how many items were counted: those that it tried to send. */
size_t batch_abandon(struct tel_batch *batch);

/* From any thread: attempts end within `grace_ms` from now. */
void batch_stop(struct tel_batch *batch, unsigned grace_ms);

/*
 * The wait before another attempt after `failures` (1 …) in a row: 1 s, doubled up to 5 s, less up to a fifth of it by
 * `random`, so that clients of a collector that comes back do not come all at once.
 */
unsigned batch_backoff_ms(unsigned failures, uint64_t random);

/* The wait before the next attempt: the backoff, or what the collector asked for if that is longer. */
unsigned batch_retry_ms(const struct tel_batch *batch);

/* In a forked child: the batches of its parent are not its own. batch_keep: one that nobody needs any more. */
void batch_in_child(void);
void batch_keep(struct tel_batch *batch);

/* Spans in all batches. Any thread. */
size_t batch_pending_spans(void);

#endif
