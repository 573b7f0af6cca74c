/* SPDX-License-Identifier: MIT */
/*
 * Telemetry for C services: traces, metrics and logs. The only header of this
 * folder that others include.
 *
 * Usage, in the order a newcomer meets it:
 *
 *	TEL_COUNTER(orders_created, "orders_created_total", "Orders accepted.");    // file scope
 *
 *	tel_init(&(struct tel_config){ .service_name = "order-service" });         // once, in main
 *
 *	TEL_SPAN(span, "resize image", TEL_INTERNAL);        // child of the current span, ends with the scope
 *	tel_set(span, tel_int("image.width", 640));
 *	tel_add(&orders_created, 1);
 *	tel_info("image resized", tel_int("image.width", 640));                    // carries the trace id
 *
 * Rules that hold everywhere: nothing here blocks on the network or the disk,
 * fails a request or allocates memory after start-up; what does not fit is
 * dropped and counted. Every thread may call everything unless a comment says
 * otherwise. Names of attributes and metrics are string literals (never
 * copied); values of tel_str() are copied, those of tel_lit() are not.
 *
 * Sources: W3C Trace Context level 2, W3C Baggage, OpenTelemetry specification
 * (trace API/SDK, OTLP 1.x, environment variables), semantic conventions 1.44,
 * OpenMetrics 1.0, Prometheus text format 0.0.4.
 */
#ifndef TEL_H
#define TEL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buf;

/* ---- life cycle ------------------------------------------------------------------------------------------------ */

struct tel_config {
	const char *service_name; /* default of service.name; OTEL_SERVICE_NAME overrides it */
	const char *log_name; /* $LOG_DIR/<log_name>.log; NULL: `service_name`. Without LOG_DIR lines go to stderr */
	bool no_exporter;     /* spans are not queued and no exporter thread runs (the gateway ships by itself) */
};

/*
 * Reads OTEL_*, LOG_DIR and LOG_LEVEL, opens the log, allocates every buffer, starts the exporter and the log thread.
 * Call once in main, after blocking the signals that main will wait for. What is set in OTEL_* and cannot be used is
 * logged. Returns 0 or -errno (the log cannot be opened, and stderr says why; -EBUSY: another process writes it);
 * aborts when memory is short. Strings in `config` must outlive the program.
 */
int tel_init(const struct tel_config *config);

/*
 * Ends the threads: exports what is queued and writes what is logged, within `budget_ms`. What is left then is counted
 * as dropped (reason "shutdown"). Call once, after every other thread that uses telemetry has ended.
 */
void tel_shutdown(unsigned budget_ms);

/* Opens the log file anew (after rotation). Call from main's signal loop; the log thread does the work. */
void tel_log_reopen(void);

/* False when OTEL_SDK_DISABLED=true: no spans, no metrics; propagation and logs go on. */
bool tel_enabled(void);

/* ---- attributes: one type for spans, events, links and logs ----------------------------------------------------- */

enum tel_type { TEL_TYPE_LITERAL, TEL_TYPE_STRING, TEL_TYPE_INT, TEL_TYPE_DOUBLE, TEL_TYPE_BOOL };

struct tel_attr {
	const char *key; /* literal */
	enum tel_type type;
	uint32_t bytes; /* of a string */
	union {
		const char *text;
		int64_t number;
		double real;
	} value;
};

struct tel_attr tel_str(const char *key, const char *text); /* NULL is taken as "" */
struct tel_attr tel_strn(const char *key, const char *text, size_t bytes);
struct tel_attr tel_lit(const char *key, const char *text); /* `text` lives as long as the program: not copied */
struct tel_attr tel_int(const char *key, int64_t value);
struct tel_attr tel_double(const char *key, double value);
struct tel_attr tel_bool(const char *key, bool value);

#define TEL_ATTRS(...)                                                                                                 \
	((struct tel_attr[]){__VA_ARGS__}), (sizeof((struct tel_attr[]){__VA_ARGS__}) / sizeof(struct tel_attr))

/* ---- context: what crosses process boundaries ------------------------------------------------------------------- */

enum { TEL_SAMPLED = 0x01, TEL_RANDOM = 0x02 }; /* W3C trace-flags; no other bit is ever sent */

#define TEL_TRACEPARENT_LENGTH 55
#define TEL_TRACESTATE_MAX 4127 /* bytes, 32 members of 128; of a longer one, longer members are dropped */
#define TEL_BAGGAGE_MAX 8192    /* bytes; W3C Baggage: passed on whole or not at all */

/* What a request brought along. About 12 KiB: lives beside the request, not in it. */
struct tel_parent {
	bool valid; /* the ids below are those of the caller */
	uint8_t trace_id[16];
	uint8_t span_id[8];
	uint8_t flags;
	unsigned traceparents;  /* headers seen; two start a new trace */
	bool tracestate_broken; /* an invalid member discards all */
	bool tracestate_cut;    /* long members were dropped */
	bool baggage_broken;
	unsigned tracestate_members, baggage_members; /* seen */
	char tracestate[TEL_TRACESTATE_MAX + 1];      /* "" when there is none */
	char baggage[TEL_BAGGAGE_MAX + 1];
};

void tel_parent_init(struct tel_parent *p);

/*
 * Offers one request header, as often as it came, in order. `name` in lower case; others than traceparent, tracestate
 * and baggage are ignored. Any bytes may come; what the standard calls invalid is ignored as it says.
 */
void tel_parent_header(struct tel_parent *p, const char *name, const char *value);

/* Call after the last header: without a valid traceparent there is no tracestate. */
void tel_parent_end(struct tel_parent *p);

/* Ready to send. The pointers belong to the request (see tel_span_start_remote). NULL or "": do not send. */
struct tel_carrier {
	char traceparent[TEL_TRACEPARENT_LENGTH + 1];
	const char *tracestate;
	const char *baggage;
};

/* ---- spans ------------------------------------------------------------------------------------------------------ */

enum tel_kind { TEL_INTERNAL = 1, TEL_SERVER = 2, TEL_CLIENT = 3, TEL_PRODUCER = 4, TEL_CONSUMER = 5 }; /* as OTLP */
enum tel_status { TEL_UNSET = 0, TEL_OK = 1, TEL_ERROR = 2 };                                           /* as OTLP */

#define TEL_SPAN_DATA_BYTES 2048

/*
 * A span lives in its owner's storage (the stack) and is copied when it ends. Fields are private to tel/.
 * `data` holds what was set, in order: name, attributes, events, links, with copied strings as bytes behind their
 * entry, so that a span is copied with one memcpy of the part in use.
 */
struct tel_span {
	uint8_t trace_id[16];
	uint8_t span_id[8];
	uint8_t parent_span_id[8]; /* zero: a root */
	uint8_t flags;
	bool recording;     /* sampled, and telemetry is on */
	bool parent_remote; /* for OTLP Span.flags */
	bool ended;
	uint8_t kind;
	uint8_t status;
	uint16_t dropped_attributes, dropped_events, dropped_links;
	uint32_t used;     /* bytes of `data` */
	uint32_t name_at;  /* of the copied name in `data`, when `name` is NULL */
	uint64_t start_ns; /* realtime */
	uint64_t end_ns;   /* realtime, 0 until the end */
	uint64_t start_monotonic_ns;
	const char *name;       /* literal */
	const char *tracestate; /* inherited; owned by the request; NULL none */
	const char *baggage;    /* the same */
	struct tel_span *outer; /* current before this one */
	_Alignas(8) char data[TEL_SPAN_DATA_BYTES];
};

/*
 * Starts a child of the thread's current span (a root without one) and makes it current. `name` is a literal.
 * Trace id, flags, tracestate and baggage are inherited.
 */
void tel_span_start(struct tel_span *span, const char *name, enum tel_kind kind);

/*
 * Starts the first span of this process in a trace and makes it current. `parent` NULL or not valid: a new trace, which
 * the sampler (OTEL_TRACES_SAMPLER) decides on. `parent` must outlive the span and its children.
 */
void tel_span_start_remote(struct tel_span *span, const char *name, enum tel_kind kind,
			   const struct tel_parent *parent);

/* Ends and queues the span and makes the outer one current. On the thread that started it; a second call does nothing.
 */
void tel_span_end(struct tel_span *span);

/* `struct tel_span *var`, started, ended when the scope is left. */
#define TEL_SPAN(var, name, kind)                                                                                      \
	struct tel_span var##_storage __attribute__((cleanup(tel_span_end)));                                          \
	struct tel_span *const var = &var##_storage;                                                                   \
	tel_span_start(var, name, kind)

/* The thread's current span; without one a span that records nothing and has zero ids. Never NULL. */
struct tel_span *tel_current(void);

/* True when attributes will be kept: lets a caller skip costly ones. */
static inline bool tel_recording(const struct tel_span *span)
{
	return span->recording;
}

/* False for the span that tel_current() gives when there is none (OpenTelemetry: SpanContext.IsValid). */
static inline bool tel_valid(const struct tel_span *span)
{
	static const uint8_t none[sizeof(span->trace_id)];
	return memcmp(span->trace_id, none, sizeof(none)) != 0;
}

/* Replaces the name by "first second" (copied), such as "GET /api/v1/users/{id}"; `second` may be NULL. */
void tel_span_rename(struct tel_span *span, const char *first, const char *second);

/* Sets attributes. Set each key once. Strings longer than the free room are dropped and counted. */
#define tel_set(span, ...) tel_set_attrs((span), TEL_ATTRS(__VA_ARGS__))
void tel_set_attrs(struct tel_span *span, const struct tel_attr *attrs, size_t count);

/* Adds an event with the time of now. `name` is a literal. */
#define tel_event(span, name, ...) tel_event_attrs((span), (name), TEL_ATTRS(__VA_ARGS__))
void tel_event_attrs(struct tel_span *span, const char *name, const struct tel_attr *attrs, size_t count);

/* Links to a span of another trace. */
void tel_link(struct tel_span *span, const uint8_t trace_id[16], const uint8_t span_id[8], uint8_t flags);

/* Status Error, and error.type=`error_type` (a literal: a status code or an error's name). Call once. */
void tel_span_fail(struct tel_span *span, const char *error_type);

/* What an outgoing call made under `span` has to send. `out` is valid as long as the span's request. */
void tel_inject(const struct tel_span *span, struct tel_carrier *out);

/* ---- metrics ---------------------------------------------------------------------------------------------------- */

enum tel_metric_type { TEL_METRIC_COUNTER, TEL_METRIC_GAUGE, TEL_METRIC_HISTOGRAM };

#define TEL_LABELS_MAX 4
#define TEL_BOUNDS_MAX 20

struct tel_series; /* one combination of label values */
struct tel_series_set;

/* Declared at file scope by the macros below; it registers itself before main. */
struct tel_metric {
	const char *name; /* as exposed, a counter with its _total; base units (seconds, bytes) */
	const char *help;
	enum tel_metric_type type;
	const char *labels[TEL_LABELS_MAX + 1]; /* names, NULL-terminated */
	const double *bounds;                   /* histogram: ascending upper bounds, ends with 0 */
	struct tel_metric *next;
	struct tel_series *only;    /* the series of a metric without labels, made before main */
	struct tel_series_set *set; /* those of a metric with labels */
};

/* Two files may declare the same metric: both then feed one family. A name with two meanings aborts. */
void tel_metric_register(struct tel_metric *metric);

#define TEL_METRIC_(var, metric_type, metric_name, metric_help, metric_bounds, ...)                                    \
	static struct tel_metric var = {                                                                               \
		.name = metric_name,                                                                                   \
		.help = metric_help,                                                                                   \
		.type = metric_type,                                                                                   \
		.bounds = metric_bounds,                                                                               \
		.labels = {__VA_ARGS__},                                                                               \
	};                                                                                                             \
	__attribute__((constructor)) static void var##_register(void)                                                  \
	{                                                                                                              \
		tel_metric_register(&var);                                                                             \
	}                                                                                                              \
	struct tel_metric_semicolon_

/* TEL_COUNTER(orders_created, "orders_created_total", "Orders accepted.") and, with labels,
 * TEL_COUNTER(sent, "notifications_sent_total", "Notifications sent.", "channel") */
#define TEL_COUNTER(var, name, ...) TEL_METRIC_ARGS_(var, TEL_METRIC_COUNTER, name, __VA_ARGS__, NULL)
#define TEL_GAUGE(var, name, ...) TEL_METRIC_ARGS_(var, TEL_METRIC_GAUGE, name, __VA_ARGS__, NULL)
#define TEL_METRIC_ARGS_(var, type, name, help, ...) TEL_METRIC_(var, type, name, help, NULL, __VA_ARGS__)

/* TEL_HISTOGRAM(duration, "http_server_request_duration_seconds", "Duration.", tel_http_bounds, "http_route") */
#define TEL_HISTOGRAM(var, name, help, ...) TEL_HISTOGRAM_ARGS_(var, name, help, __VA_ARGS__, NULL)
#define TEL_HISTOGRAM_ARGS_(var, name, help, bounds, ...)                                                              \
	TEL_METRIC_(var, TEL_METRIC_HISTOGRAM, name, help, bounds, __VA_ARGS__)

extern const double tel_http_bounds[]; /* 0.005 … 10 s, the bounds of the semantic conventions, and finer ones below */
extern const double tel_db_bounds[];   /* 0.001 … 10 s, the same */

/* Adds to a counter or gauge without labels. A counter takes value >= 0. */
void tel_add(struct tel_metric *metric, double value);

/* Sets a gauge without labels, or a counter whose total is kept elsewhere. */
void tel_gauge_set(struct tel_metric *metric, double value);

/*
 * The series with these label values, one `const char *` per label, in the order of declaration; made at the first
 * call (from storage reserved at start-up, values copied, up to 63 bytes each), found without a lock afterwards. At
 * most 256 series a metric: past that, all others share one with the label otel_metric_overflow="true". Valid for ever;
 * keep it where the values are fixed.
 */
struct tel_series *tel_series(struct tel_metric *metric, ...);

/* As tel_add and tel_gauge_set. A counter may be set as well when it mirrors one of another program. */
void tel_series_add(struct tel_series *series, double value);
void tel_series_set(struct tel_series *series, double value);

/*
 * Records into a histogram, in its unit (seconds). `span` gives the exemplar when it is sampled; NULL: none. The span
 * may have ended.
 */
void tel_series_observe(struct tel_series *series, double value, const struct tel_span *span);

/* `hook` runs before every exposition, to set gauges, one scrape at a time. At most 16, each once, however often it is
 * given; before threads start. It must not call tel_metrics_write. */
void tel_on_scrape(void (*hook)(void));

/* The content type that answers an Accept header (NULL: none sent): OpenMetrics when it is accepted, else text 0.0.4. A
 * literal. */
const char *tel_metrics_content_type(const char *accept);

/* Writes the whole exposition for a content type of tel_metrics_content_type. Errors: those of `out`. */
void tel_metrics_write(struct buf *out, const char *content_type);

/* ---- logs ------------------------------------------------------------------------------------------------------- */

enum tel_level { TEL_DEBUG, TEL_INFO, TEL_WARN, TEL_LOG_ERROR };

/* One JSON line, with the ids of the current span. `message` is a literal. LOG_LEVEL (debug info warn error) sets the
 * least level. */
#define tel_debug(...) TEL_LOG_(TEL_DEBUG, __VA_ARGS__)
#define tel_info(...) TEL_LOG_(TEL_INFO, __VA_ARGS__)
#define tel_warn(...) TEL_LOG_(TEL_WARN, __VA_ARGS__)
#define tel_error(...) TEL_LOG_(TEL_LOG_ERROR, __VA_ARGS__)
#define TEL_LOG_(level, ...) TEL_LOG_ARGS_(level, __VA_ARGS__, {0})
#define TEL_LOG_ARGS_(level, message, ...) tel_log_attrs((level), (message), (struct tel_attr[]){__VA_ARGS__})

/* `attrs` ends with an attribute whose key is NULL. */
void tel_log_attrs(enum tel_level level, const char *message, const struct tel_attr *attrs);

/* ---- shipping spans that were measured elsewhere (the gateway's access log) ---------------------------------------
 */

/* Fills a recording span from facts; tel_set, tel_span_rename and tel_span_fail work on it; it is never current and not
 * ended. */
void tel_span_from(struct tel_span *span, enum tel_kind kind, const uint8_t trace_id[16], const uint8_t span_id[8],
		   const uint8_t parent_span_id[8], uint8_t flags, bool parent_remote, uint64_t start_ns,
		   uint64_t end_ns);

struct tel_batch; /* spans, encoded, and the connection that sends them; one thread */

enum tel_sent {
	TEL_SENT_OK,       /* the collector answered 2xx; what it rejected by partial success is logged and counted */
	TEL_SENT_REFUSED,  /* a definitive no: the batch is lost, logged and counted */
	TEL_SENT_TRY_AGAIN /* the collector is down or busy: keep the spans, ask again after *retry_ms */
};

/* NULL when memory is short. Uses the exporter's settings (endpoint, headers, time-out, compression, resource). */
struct tel_batch *tel_batch_new(void);
void tel_batch_free(struct tel_batch *batch);

/* Returns how long a span may wait for others before its batch is sent (OTEL_BSP_SCHEDULE_DELAY; 500 by default). */
unsigned tel_batch_delay_ms(void);

/* Encodes a copy. False: the batch is full (OTEL_BSP_MAX_EXPORT_BATCH_SIZE spans), send it first. */
bool tel_batch_add(struct tel_batch *batch, const struct tel_span *span);
size_t tel_batch_count(const struct tel_batch *batch);

/*
 * One attempt to send; blocks for OTEL_EXPORTER_OTLP_TIMEOUT at most. Empties the batch unless the answer is
 * TEL_SENT_TRY_AGAIN; then *retry_ms is the wait to respect (exponential backoff with jitter, or Retry-After).
 */
enum tel_sent tel_batch_send(struct tel_batch *batch, unsigned *retry_ms);

/* Ends a send that is under way with TEL_SENT_TRY_AGAIN, within a second, and lets no later one begin: for a program
 * that has to end while the collector hangs. From any thread. */
void tel_batch_cancel(struct tel_batch *batch);

#endif
