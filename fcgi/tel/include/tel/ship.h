/* SPDX-License-Identifier: MIT */
/*
 * Shipping spans that were measured elsewhere, such as those in a proxy's access log: a program reads facts, makes
 * spans of them and sends them at its own pace, so that it knows what the collector has. Initialise with `no_exporter`.
 */
#ifndef TEL_SHIP_H
#define TEL_SHIP_H

#include "tel/tel.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A span that was measured elsewhere. Times are nanoseconds since 1970. */
struct tel_span_facts {
	enum tel_kind kind;
	struct tel_context context;
	uint8_t parent_span_id[8]; /* all zero: a root */
	bool parent_remote;
	uint64_t start_ns, end_ns;
};

/* Fills a recording span from facts; tel_span_set, tel_span_rename and tel_span_fail work on it; it is never current
 * and not ended. */
TEL_API void tel_span_from(struct tel_span *span, const struct tel_span_facts *facts);

/*
 * Gives a span of tel_span_from the tracestate of `parent`, without a sampling threshold that contradicts the span's
 * flags: it is taken out of `parent`, too. `parent` must outlive the span.
 */
TEL_API void tel_span_set_tracestate(struct tel_span *span, struct tel_parent *parent);

/* Spans, encoded, and the connection that sends them. One thread. Not for a forked child; to be freed, and nothing
 * else, after tel_shutdown. */
struct tel_batch;

enum tel_sent {
	TEL_SENT_OK,       /* the collector answered 2xx; what it rejected by partial success is logged and counted */
	TEL_SENT_REFUSED,  /* a definitive no: the batch is lost, logged and counted */
	TEL_SENT_TRY_AGAIN /* the collector is down or busy: keep the spans, ask again after *retry_ms */
};

/* Returns NULL when memory is short, or before tel_init. Uses the exporter's settings (endpoint, headers, time-out,
 * compression, resource). */
TEL_API struct tel_batch *tel_batch_new(void);
TEL_API void tel_batch_free(struct tel_batch *batch);

/* Returns how long a span may wait for others before its batch is sent (OTEL_BSP_SCHEDULE_DELAY; 500 by default). */
TEL_API unsigned tel_batch_delay_ms(void);

/* Encodes a copy. Returns false if the batch is full (OTEL_BSP_MAX_EXPORT_BATCH_SIZE spans): send it first. */
TEL_API bool tel_batch_add(struct tel_batch *batch, const struct tel_span *span);
TEL_API size_t tel_batch_count(const struct tel_batch *batch);

/*
 * One attempt to send; blocks for OTEL_EXPORTER_OTLP_TIMEOUT at most. Empties the batch unless the answer is
 * TEL_SENT_TRY_AGAIN; then *retry_ms is the wait to respect (exponential backoff with jitter, or Retry-After).
 */
TEL_API enum tel_sent tel_batch_send(struct tel_batch *batch, unsigned *retry_ms);

/* Ends a send that is under way with TEL_SENT_TRY_AGAIN, within a second, and lets no later one begin: for a program
 * that has to end while the collector hangs. From any thread. */
TEL_API void tel_batch_cancel(struct tel_batch *batch);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif
