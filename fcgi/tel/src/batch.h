/* SPDX-License-Identifier: MIT */
/* Inside of a batch, for the exporter; what others see is in ship.h. Internal to tel/. */
#ifndef TEL_BATCH_H
#define TEL_BATCH_H

#include "tel/ship.h"
#include "tel/src/otlp_http.h"
#include "tel/src/settings.h"

/* What tel_batch_new uses; it must stay. Before threads. */
void batch_configure(const struct settings *settings);

/* The same as tel_batch_add, but the span is counted elsewhere. */
bool batch_add(struct tel_batch *batch, const struct span *span);

/*
 * One attempt. Counts and logs what came of it (a failure at most once a minute, and that it is over), and empties the
 * batch when the collector has it or refuses it. The result is valid until the next attempt.
 */
const struct otlp_result *batch_post(struct tel_batch *batch);

/* Empties the batch, counting its spans as failed for the reason of the last attempt. */
void batch_give_up(struct tel_batch *batch);

/* Empties the batch, counting nothing. */
void batch_clear(struct tel_batch *batch);

/* From any thread: attempts end within `grace_ms` from now. */
void batch_stop(struct tel_batch *batch, unsigned grace_ms);

/*
 * The wait before another attempt after `failures` (1 …) in a row: 1 s, doubled up to 5 s, less up to a fifth of it by
 * `random`, so that clients of a collector that comes back do not come all at once.
 */
unsigned batch_backoff_ms(unsigned failures, uint64_t random);

/* The wait before the next attempt: the backoff, or what the collector asked for if that is longer. */
unsigned batch_retry_ms(const struct tel_batch *batch);

/* Spans in all batches. Any thread. */
size_t batch_pending(void);

#endif
