/* SPDX-License-Identifier: MIT */
#include "tel/src/batch.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "tel/ship.h"
#include "tel/src/misuse.h"
#include "tel/src/resource.h"
#include "tel/src/span.h"

#define BODY_MAX (4 << 20) /* a collector takes 20 MiB by default */
#define LOG_INTERVAL_NS (60 * UINT64_C(1000000000))
#define BACKOFF_MIN_MS 1000
#define BACKOFF_MAX_MS 5000
#define CANCEL_GRACE_MS 500 /* an answer that is on its way is worth it: without it the spans are sent twice */

struct tel_batch {
	struct otlp_http *http;
	struct buf resource, scope;
	struct buf body; /* room for the request's head, then spans */
	size_t head_room;
	size_t spans, spans_max;
	struct otlp_result result;
	unsigned failures; /* in a row */
	bool down;
	uint64_t warned_ns; /* monotonic; 0: never */
	atomic_bool cancelled;
};

static const struct settings *batch_settings; /* NULL before tel_init */
static atomic_size_t pending;                 /* spans in all batches */

void batch_configure(const struct settings *settings)
{
	batch_settings = settings;
}

/* ---- life cycle ---- */

void batch_clear(struct tel_batch *batch)
{
	atomic_fetch_sub_explicit(&pending, batch->spans, memory_order_relaxed);
	batch->spans = 0;
	buf_reset(&batch->body);
	if (buf_reserve(&batch->body, batch->head_room))
		batch->body.len = batch->head_room;
}

struct tel_batch *tel_batch_new(void)
{
	struct tel_batch *batch = batch_settings ? calloc(1, sizeof(*batch)) : NULL;
	size_t count;

	if (!batch_settings)
		MISUSE("tel_batch_new", "there was no tel_init");
	if (!batch)
		return NULL;
	batch->spans_max = batch_settings->batch_spans;
	buf_init(&batch->resource, 1 << 20);
	buf_init(&batch->scope, 1024);
	buf_init(&batch->body, BODY_MAX);
	const struct resource_attr *attrs = resource_attrs(&count);
	otlp_add_resource(&batch->resource, attrs, count);
	const struct scope *scope = resource_scope();
	otlp_add_scope(&batch->scope, scope->name, scope->version);
	batch->head_room = otlp_head_size_max(&batch->resource, &batch->scope);
	batch_clear(batch);
	batch->http = otlp_http_new(&batch_settings->signals[SIGNAL_TRACES]);
	if (!batch->http || batch->resource.failed || batch->scope.failed || batch->body.failed) {
		tel_batch_free(batch);
		return NULL;
	}
	return batch;
}

void tel_batch_free(struct tel_batch *batch)
{
	if (!batch)
		return;
	if (batch->spans)
		self_dropped(DROP_SHUTDOWN, batch->spans);
	atomic_fetch_sub_explicit(&pending, batch->spans, memory_order_relaxed);
	otlp_http_free(batch->http);
	buf_done(&batch->resource);
	buf_done(&batch->scope);
	buf_done(&batch->body);
	free(batch);
}

/* ---- filling ---- */

bool batch_add(struct tel_batch *batch, const struct span *span)
{
	size_t before = batch->body.len;

	if (batch->spans == batch->spans_max)
		return false;
	otlp_add_span(&batch->body, span);
	if (batch->body.failed) {
		batch->body.failed = false;
		batch->body.len = before;
		return false;
	}
	batch->spans++;
	atomic_fetch_add_explicit(&pending, 1, memory_order_relaxed);
	return true;
}

bool tel_batch_add(struct tel_batch *batch, const struct tel_span *public_span)
{
	const struct span *span = const_span_of(public_span);

	if (MISUSE_NULL(batch && span, "tel_batch_add"))
		return true; /* another attempt would be as wrong */
	if (!span->recording)
		return true;
	if (!batch_add(batch, span))
		return false;
	self_started();
	return true;
}

size_t tel_batch_count(const struct tel_batch *batch)
{
	return MISUSE_NULL(batch, "tel_batch_count") ? 0 : batch->spans;
}

size_t batch_pending(void)
{
	return atomic_load_explicit(&pending, memory_order_relaxed);
}

/* ---- sending ---- */

static void warn_of_answer(struct tel_batch *batch, const char *message)
{
	const struct otlp_result *result = &batch->result;
	uint64_t now_ns = clock_monotonic_ns();

	if (batch->warned_ns && now_ns - batch->warned_ns < LOG_INTERVAL_NS)
		return;
	batch->warned_ns = now_ns;
	tel_warn(message, tel_str("error", result->answer.message), tel_int("status", result->status),
		 tel_int("spans", (int64_t)batch->spans), tel_int("rejected", (int64_t)result->answer.rejected));
}

static void accepted(struct tel_batch *batch)
{
	struct otlp_answer *answer = &batch->result.answer;

	if (answer->rejected > batch->spans)
		answer->rejected = batch->spans;
	if (batch->down)
		tel_info("the collector takes spans again");
	batch->down = false;
	batch->failures = 0;
	if (answer->rejected || answer->message[0])
		warn_of_answer(batch, "the collector has not taken all spans, or warns");
	self_exported(EXPORT_OK, batch->spans - answer->rejected);
	if (answer->rejected) {
		self_exported(EXPORT_REJECTED, answer->rejected);
		self_dropped(DROP_REJECTED, answer->rejected);
	}
	batch_clear(batch);
}

static void refused(struct tel_batch *batch)
{
	batch->failures = 0;
	batch->down = true;
	warn_of_answer(batch, "the collector refuses spans");
	self_exported(batch->result.error, batch->spans);
	self_dropped(DROP_REJECTED, batch->spans);
	batch_clear(batch);
}

const struct otlp_result *batch_post(struct tel_batch *batch)
{
	struct buf *body = &batch->body;
	size_t spans_bytes = body->len - batch->head_room;
	const char *request = otlp_write_head(body->data + batch->head_room, spans_bytes, &batch->resource,
					      &batch->scope);

	otlp_http_post(batch->http, request, (size_t)(body->data + body->len - request), &batch->result);
	switch (batch->result.outcome) {
	case OTLP_ACCEPTED: accepted(batch); break;
	case OTLP_REFUSED: refused(batch); break;
	case OTLP_BUSY:
	case OTLP_UNREACHABLE:
	case OTLP_UNKNOWN:
		batch->failures++;
		batch->down = true;
		warn_of_answer(batch, "the collector does not take spans");
	}
	return &batch->result;
}

void batch_give_up(struct tel_batch *batch)
{
	self_exported(batch->result.error, batch->spans);
	self_dropped(DROP_EXPORT_FAILED, batch->spans);
	batch_clear(batch);
}

unsigned batch_backoff_ms(unsigned failures, uint64_t random)
{
	unsigned wait_ms = BACKOFF_MIN_MS;

	for (; failures > 1 && wait_ms < BACKOFF_MAX_MS; failures--)
		wait_ms *= 2;
	if (wait_ms > BACKOFF_MAX_MS)
		wait_ms = BACKOFF_MAX_MS;
	return wait_ms - (unsigned)(random % (wait_ms / 5 + 1));
}

unsigned batch_retry_ms(const struct tel_batch *batch)
{
	unsigned backoff_ms = batch_backoff_ms(batch->failures, random_u64());

	return backoff_ms > batch->result.retry_after_ms ? backoff_ms : batch->result.retry_after_ms;
}

void batch_stop(struct tel_batch *batch, unsigned grace_ms)
{
	otlp_http_stop(batch->http, grace_ms);
}

void tel_batch_cancel(struct tel_batch *batch)
{
	if (MISUSE_NULL(batch, "tel_batch_cancel"))
		return;
	atomic_store(&batch->cancelled, true);
	batch_stop(batch, CANCEL_GRACE_MS);
}

enum tel_sent tel_batch_send(struct tel_batch *batch, unsigned *retry_ms)
{
	if (MISUSE_NULL(batch && retry_ms, "tel_batch_send") || batch->spans == 0)
		return TEL_SENT_OK;
	if (atomic_load(&batch->cancelled)) {
		*retry_ms = BACKOFF_MIN_MS;
		return TEL_SENT_TRY_AGAIN;
	}
	switch (batch_post(batch)->outcome) {
	case OTLP_ACCEPTED: return TEL_SENT_OK;
	case OTLP_REFUSED: return TEL_SENT_REFUSED;
	default: *retry_ms = batch_retry_ms(batch); return TEL_SENT_TRY_AGAIN;
	}
}
