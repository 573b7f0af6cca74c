/* SPDX-License-Identifier: MIT */
#include "tel/src/batch.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/random.h"
#include "tel/ship.h"
#include "tel/src/complain.h"
#include "tel/src/misuse.h"
#include "tel/src/resource.h"
#include "tel/src/span.h"

#define BODY_MAX (4 << 20) /* a collector takes 20 MiB by default */
#define LOG_INTERVAL_NS (60 * NS_PER_SECOND)
#define BACKOFF_MIN_MS 1000
#define BACKOFF_MAX_MS 5000
#define CANCEL_GRACE_MS 500 /* an answer that is on its way is worth it: without it the spans are sent twice */

struct tel_batch {
	enum signal signal;
	struct otlp_http *http;
	struct buf resource, scope;
	struct buf body; /* room for the request's head, then items */
	size_t head_room;
	size_t items, items_max;
	size_t passed; /* of `items`: there was an attempt to send them */
	struct otlp_result result;
	unsigned failures; /* in a row */
	uint64_t began_ns; /* monotonic: the first attempt */
	bool down;
	uint64_t warned_ns; /* monotonic; 0: never */
	atomic_bool cancelled;
	unsigned generation;    /* of the process that made it */
	unsigned session;       /* of telemetry in which it was made */
	struct tel_batch *next; /* of those that are kept */
};

static const struct settings *batch_settings; /* NULL before tel_init */
static unsigned session;                      /* counts the changes of it */
static atomic_size_t pending_spans;           /* in all batches */

/* The log messages about the collector, by signal. */
static const struct {
	const char *count; /* an attribute */
	const char *takes_again, *took_part, *refuses, *takes_none;
} told[SIGNALS] = {
	[SIGNAL_TRACES] = {"spans", "the collector takes spans again",
			   "the collector has not taken all spans, or warns", "the collector refuses spans",
			   "the collector does not take spans"},
	[SIGNAL_METRICS] = {"data_points", "the collector takes metrics again",
			    "the collector has not taken all metrics, or warns", "the collector refuses metrics",
			    "the collector does not take metrics"},
	[SIGNAL_LOGS] = {"log_records", "the collector takes log records again",
			 "the collector has not taken all log records, or warns", "the collector refuses log records",
			 "the collector does not take log records"},
};

void batch_configure(const struct settings *settings)
{
	batch_settings = settings;
	session++;
}

/*
 * A forked child has its parent's batches, and must neither send what is in them nor touch their connections, which the
 * parent goes on with; so they are not freed there either.
 */
static unsigned generation; /* counts forks on the way from the first process to this one */

void batch_in_child(void)
{
	generation++;
	batch_configure(NULL); /* until tel_init */
	atomic_store_explicit(&pending_spans, 0, memory_order_relaxed);
}

void batch_keep(struct tel_batch *batch)
{
	static struct tel_batch *kept;

	if (!batch)
		return;
	batch->next = kept;
	kept = batch;
}

static bool is_inherited(const struct tel_batch *batch)
{
	return batch->generation != generation;
}

/* Returns true if `call` has to be refused, which is then logged: tel_shutdown has freed the settings of the batch. */
static bool refuses(const struct tel_batch *batch, const char *call)
{
	if (is_inherited(batch))
		MISUSE("a batch", "it belongs to the parent of this process", tel_lit("function", call));
	else if (batch->session != session)
		MISUSE("a batch", "it was made before tel_shutdown", tel_lit("function", call));
	return is_inherited(batch) || batch->session != session;
}

/* ---- life cycle ---- */

static void clear_batch(struct tel_batch *batch)
{
	if (batch->signal == SIGNAL_TRACES)
		atomic_fetch_sub_explicit(&pending_spans, batch->items, memory_order_relaxed);
	batch->items = batch->passed = 0;
	buf_reset(&batch->body);
	if (buf_reserve(&batch->body, batch->head_room))
		batch->body.len = batch->head_room;
}

struct tel_batch *batch_new(enum signal signal, size_t items_max)
{
	struct tel_batch *batch = batch_settings ? calloc(1, sizeof(*batch)) : NULL;
	size_t count;

	if (!batch)
		return NULL;
	batch->generation = generation;
	batch->session = session;
	batch->signal = signal;
	batch->items_max = items_max;
	buf_init(&batch->resource, 1 << 20);
	buf_init(&batch->scope, 1024);
	buf_init(&batch->body, BODY_MAX);
	const struct resource_attr *attrs = resource_attrs(&count);
	otlp_add_resource(&batch->resource, attrs, count);
	const struct scope *scope = resource_scope();
	otlp_add_scope(&batch->scope, scope->name, scope->version);
	batch->head_room = otlp_head_size_max(&batch->resource, &batch->scope);
	clear_batch(batch);
	batch->http = otlp_http_new(&batch_settings->signals[signal]);
	if (!batch->http || batch->resource.failed || batch->scope.failed || batch->body.failed) {
		tel_batch_free(batch);
		return NULL;
	}
	return batch;
}

struct tel_batch *tel_batch_new(void)
{
	if (!batch_settings)
		MISUSE("tel_batch_new", "there was no tel_init");
	return batch_settings ? batch_new(SIGNAL_TRACES, batch_settings->batch_spans) : NULL;
}

void tel_batch_free(struct tel_batch *batch)
{
	if (!batch || is_inherited(batch))
		return;
	if (batch->items > batch->passed)
		self_turned_away(batch->signal, DROP_SHUTDOWN, batch->items - batch->passed);
	batch_abandon(batch);
	otlp_http_free(batch->http);
	buf_done(&batch->resource);
	buf_done(&batch->scope);
	buf_done(&batch->body);
	free(batch);
}

/* ---- filling ---- */

bool batch_add_many(struct tel_batch *batch, void (*encode)(struct buf *out, void *record, size_t bytes), void *record,
		    size_t bytes, size_t items)
{
	size_t before = batch->body.len;

	if (items > batch->items_max - batch->items)
		return false;
	encode(&batch->body, record, bytes);
	if (batch->body.failed) {
		batch->body.failed = false;
		batch->body.len = before;
		return false;
	}
	batch->items += items;
	if (batch->signal == SIGNAL_TRACES)
		atomic_fetch_add_explicit(&pending_spans, items, memory_order_relaxed);
	return true;
}

bool batch_add(struct tel_batch *batch, void (*encode)(struct buf *out, void *record, size_t bytes), void *record,
	       size_t bytes)
{
	return batch_add_many(batch, encode, record, bytes, 1);
}

static void encode_span(struct buf *out, void *span, size_t bytes)
{
	(void)bytes;
	otlp_add_span(out, span);
}

bool tel_batch_add(struct tel_batch *batch, const struct tel_span *public_span)
{
	const struct span *span = const_span_of(public_span);

	if (MISUSE_NULL(batch && span, "tel_batch_add") || refuses(batch, "tel_batch_add"))
		return true; /* another attempt would be as wrong */
	if (!span->recording)
		return true;
	if (!batch_add(batch, encode_span, (void *)span, 0))
		return false;
	self_made(SIGNAL_TRACES);
	return true;
}

size_t tel_batch_count(const struct tel_batch *batch)
{
	return MISUSE_NULL(batch, "tel_batch_count") ? 0 : batch->items;
}

size_t batch_pending_spans(void)
{
	return atomic_load_explicit(&pending_spans, memory_order_relaxed);
}

/* ---- sending ---- */

static void warn_of_answer(struct tel_batch *batch, const char *message)
{
	const struct otlp_result *result = &batch->result;
	uint64_t now_ns = clock_monotonic_ns();

	if (batch->warned_ns && now_ns - batch->warned_ns < LOG_INTERVAL_NS)
		return;
	batch->warned_ns = now_ns;
	complain_warn(message, tel_str("error", result->answer.message), tel_int("status", result->status),
		      tel_int(told[batch->signal].count, (int64_t)batch->items),
		      tel_int("rejected", (int64_t)result->answer.rejected));
}

/* The batch is done with: `lost` of its items to `error`, for `reason`, and the others are with the collector. */
static void conclude(struct tel_batch *batch, size_t lost, enum export_error error, enum drop_reason reason)
{
	size_t taken = batch->passed - lost;

	if (taken)
		self_concluded(batch->signal, taken, EXPORT_OK, reason);
	if (lost)
		self_concluded(batch->signal, lost, error, reason);
	self_operation(batch->signal, lost ? error : EXPORT_OK, clock_monotonic_ns() - batch->began_ns);
	clear_batch(batch);
}

static void accepted(struct tel_batch *batch)
{
	struct otlp_answer *answer = &batch->result.answer;

	if (answer->rejected > batch->items)
		answer->rejected = batch->items;
	if (batch->down)
		complain_info(told[batch->signal].takes_again);
	batch->down = false;
	batch->failures = 0;
	if (answer->rejected || answer->message[0])
		warn_of_answer(batch, told[batch->signal].took_part);
	conclude(batch, answer->rejected, EXPORT_REJECTED, DROP_REJECTED);
}

static void refused(struct tel_batch *batch)
{
	batch->failures = 0;
	batch->down = true;
	warn_of_answer(batch, told[batch->signal].refuses);
	conclude(batch, batch->items, batch->result.error, DROP_REJECTED);
}

/* Items may have come since the last attempt. */
static void pass_items(struct tel_batch *batch)
{
	if (!batch->passed)
		batch->began_ns = clock_monotonic_ns();
	if (batch->items > batch->passed)
		self_passed(batch->signal, batch->items - batch->passed);
	batch->passed = batch->items;
}

const struct otlp_result *batch_post(struct tel_batch *batch)
{
	struct buf *body = &batch->body;
	size_t items_bytes = body->len - batch->head_room;
	const char *request = otlp_write_head(body->data + batch->head_room, items_bytes, &batch->resource,
					      &batch->scope);

	pass_items(batch);
	otlp_http_post(batch->http, request, (size_t)(body->data + body->len - request), &batch->result);
	switch (batch->result.outcome) {
	case OTLP_ACCEPTED: accepted(batch); break;
	case OTLP_REFUSED: refused(batch); break;
	case OTLP_BUSY:
	case OTLP_UNREACHABLE:
	case OTLP_UNKNOWN:
		batch->failures++;
		batch->down = true;
		warn_of_answer(batch, told[batch->signal].takes_none);
	}
	return &batch->result;
}

void batch_give_up(struct tel_batch *batch)
{
	conclude(batch, batch->items, batch->result.error, DROP_EXPORT_FAILED);
}

size_t batch_abandon(struct tel_batch *batch)
{
	size_t passed = batch->passed;

	if (passed)
		conclude(batch, passed, batch->result.error, DROP_SHUTDOWN);
	else
		clear_batch(batch);
	return passed;
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
	if (MISUSE_NULL(batch, "tel_batch_cancel") || refuses(batch, "tel_batch_cancel"))
		return;
	atomic_store(&batch->cancelled, true);
	batch_stop(batch, CANCEL_GRACE_MS);
}

enum tel_sent tel_batch_send(struct tel_batch *batch, unsigned *retry_ms)
{
	if (MISUSE_NULL(batch && retry_ms, "tel_batch_send") || batch->items == 0 || refuses(batch, "tel_batch_send"))
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
