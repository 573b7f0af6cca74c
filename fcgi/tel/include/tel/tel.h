/* SPDX-License-Identifier: MIT */
/*
 * tel: traces, metrics and logs of OpenTelemetry for programs in C.
 *
 * Usage, in the order a newcomer meets it:
 *
 *	TEL_COUNTER(orders_created, "orders.created", "{order}", "Orders accepted.");   // file scope
 *
 *	tel_init(&(struct tel_config){.service_name = "order-service"});             // once, in main
 *
 *	TEL_SPAN(span, "resize image", TEL_INTERNAL);        // child of the current span, ends with the scope
 *	tel_span_set(span, tel_int("image.width", 640));
 *	tel_counter_add(&orders_created, 1);
 *	tel_info("image resized", tel_int("image.width", 640));                      // carries the trace id
 *
 *	tel_shutdown(1000);                                  // sends what is queued
 *
 * Rules that hold everywhere: nothing here blocks on the network or the disk, ends the process, fails a request or
 * allocates memory after start-up; what does not fit is dropped and counted. A call that makes no sense (a negative
 * step of a counter, a label too few, a NULL) is refused, and the library says so once. Every thread may call
 * everything unless a comment says otherwise; a signal handler may call nothing, for there are locks. A thread needs
 * 64 KiB of stack. Names of spans, attributes and metrics are string literals (never copied); values of tel_str() are
 * copied, those of tel_lit() are not. So a shared object that uses the library is never to be unloaded: link a plugin
 * with -Wl,-z,nodelete, and dlclose(3) leaves it where it is.
 *
 * Before tel_init spans have ids but are not kept, nor are their children; metrics count, and lines go to stderr at
 * once.
 *
 * Sources: W3C Trace Context level 2, W3C Baggage, OpenTelemetry specification (trace, metrics and logs API and SDK,
 * OTLP 1.x, environment variables), semantic conventions 1.44, OpenMetrics 1.0, Prometheus text format 0.0.4.
 */
#ifndef TEL_H
#define TEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* This header's version. Minor versions add, major versions may take away; tel_version() is that of the library. */
#define TEL_VERSION_MAJOR 0
#define TEL_VERSION_MINOR 1
#define TEL_VERSION_PATCH 0
#define TEL_VERSION "0.1.0"

#ifndef TEL_API
#define TEL_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Returns "major.minor.patch". */
TEL_API const char *tel_version(void);

/* ---- attributes: one type for spans, events, links, logs and resources ------------------------------------------- */

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

TEL_API struct tel_attr tel_str(const char *key, const char *text); /* NULL is taken as "" */
TEL_API struct tel_attr tel_strn(const char *key, const char *text, size_t bytes);
TEL_API struct tel_attr tel_lit(const char *key,
				const char *text); /* `text` lives as long as the program: not copied */
TEL_API struct tel_attr tel_int(const char *key, int64_t value);
TEL_API struct tel_attr tel_double(const char *key, double value);
TEL_API struct tel_attr tel_bool(const char *key, bool value);

enum tel_level { TEL_LEVEL_DEBUG, TEL_LEVEL_INFO, TEL_LEVEL_WARN, TEL_LEVEL_ERROR };

/* ---- a transport of one's own: for programs that have an HTTP client, and for builds without libcurl ------------- */

struct tel_header {
	const char *name, *value;
};

/* An OTLP/HTTP request, a POST. All that it points at is the library's, and valid during the call. */
struct tel_request {
	const char *url;
	const struct tel_header *headers; /* all but Host and Content-Length */
	size_t header_count;
	const void *body;
	size_t bytes;
	int stop_fd;         /* poll(2) finds it readable once tel_request_left_ms has become less; not to be read */
	const void *attempt; /* private */
};

/* The answer. All members are zero at first but `body` and `size`. */
struct tel_response {
	long status;                  /* of the final answer, 200 to 599 */
	unsigned retry_after_seconds; /* Retry-After, also when it is a date; 0 without one */
	char content_type[64];        /* Content-Type; "": none */
	char *body;                   /* room for `size` bytes; what is longer is cut */
	size_t size, bytes;           /* `bytes` of it are used */
	char error[256];              /* without an answer: why, for the log */
};

enum tel_transport_outcome {
	TEL_TRANSPORT_ANSWERED,
	TEL_TRANSPORT_UNREACHABLE, /* no connection, or it broke before an answer: the request is sent again */
	TEL_TRANSPORT_NOT_IN_TIME, /* no time was left to send it: the same */
	TEL_TRANSPORT_NO_ANSWER,   /* it was sent, and no answer came in time: it may have arrived, and is given up */
	TEL_TRANSPORT_NOT_HTTP     /* the answer is no HTTP: the same */
};

/*
 * Sends a request and waits for the answer. It is called on threads of the library with all signals blocked, one call
 * at a time for each of traces, metrics and logs, and on the thread of tel_batch_send. It may block, but not longer
 * than tel_request_left_ms says; that becomes less at once when telemetry is to end (stop_fd tells), and a call that
 * ignores it makes tel_shutdown late. Redirects are answers, not to be followed. It makes no spans and no lines of the
 * log.
 */
typedef enum tel_transport_outcome tel_send(void *arg, const struct tel_request *request,
					    struct tel_response *response);

/* Returns the milliseconds that the attempt may still take (OTEL_EXPORTER_OTLP_TIMEOUT, or the end). During the call,
 * from any thread. */
TEL_API unsigned tel_request_left_ms(const struct tel_request *request);

/* ---- life cycle -------------------------------------------------------------------------------------------------- */

struct tel_config {
	const char *service_name; /* default of service.name, which OTEL_SERVICE_NAME overrides; NULL for the program's
				     name */
	const char *service_version; /* service.version, or NULL */
	/* More attributes of the resource, strings; OTEL_RESOURCE_ATTRIBUTES overrides them. */
	const struct tel_attr *resource;
	size_t resource_count;
	const char *scope_name;    /* instrumentation scope of spans; NULL for service_name */
	const char *scope_version; /* or NULL */
	const char *log_name; /* $LOG_DIR/<log_name>.log; NULL for service_name. Without LOG_DIR lines go to stderr */
	bool no_exporter;     /* spans are not queued, and no thread exports them (see ship.h) */
	tel_send *send;       /* sends the exported data; NULL for libcurl */
	void *send_arg;       /* its first argument */

	/*
	 * Takes each line of the log instead of the file or stderr: a JSON object of `bytes` bytes, without a newline,
	 * with a NUL after them; valid during the call. It is called on the thread that logs, by several at once, and
	 * that thread waits for it. Lines that it logs itself are dropped and counted, and so are lines after
	 * tel_shutdown. LOG_DIR is not read then. If it is NULL, lines go to the file or stderr.
	 */
	void (*log_line)(void *arg, enum tel_level level, const char *line, size_t bytes);
	void *log_line_arg;

	/*
	 * Takes, in the same way, the messages of the library about itself: settings that cannot be used, calls that
	 * were refused, trouble of an exporter or of the log (a line a minute at most). OTEL_LOG_LEVEL (debug info warn
	 * error none) sets their least level, LOG_LEVEL where it is not set. If it is NULL, they are lines of the log,
	 * and those that the log cannot take go to stderr. They are never exported.
	 */
	void (*complain)(void *arg, enum tel_level level, const char *line, size_t bytes);
	void *complain_arg;
};

/*
 * Reads OTEL_*, LOG_DIR and LOG_LEVEL, opens the log, allocates every buffer, starts the exporter and the log thread.
 * Call once in main, after blocking the signals that main will wait for. Values of OTEL_* that cannot be used are
 * logged. Returns 0 or -errno. -EALREADY means that it was called before; -ENOMEM and -EAGAIN, that memory or a thread
 * is missing; -EBUSY, that another process writes the log; others, that the log cannot be opened, and `complain` or
 * stderr says why. All that `config` points at must stay valid as long as the program runs.
 *
 * fork(): the child has no thread of the library, and what the parent has queued or has open (spans, lines, log
 * records, batches of ship.h) is the parent's to send. The child makes ids of its own from the first one on, is another
 * service.instance.id, and its metrics begin at zero and at that moment. It is to call tel_init again, as a server that
 * forks its workers does in each of them; until then it writes its lines at once, on the thread that logs, its spans
 * and log records are dropped, counted and said once, and its metrics are not pushed. `log_line` and `complain` are
 * called in the child as well. A span that was current at the fork is the parent of those that the child starts, and
 * only the parent exports it. Parent and children write one log file, line by line; each needs its own tel_log_reopen
 * after rotation, and the file's lock is free when the last one has ended. A program that becomes a daemon (daemon(3))
 * calls tel_init afterwards, or again: then the queue of its first process ends with that process, unless it has called
 * tel_shutdown before. A fork that is followed by exec only, as in system(3) and posix_spawn(3), needs nothing.
 * vfork(2) and clone(2) go unnoticed: no function of the library may be called in their children. Handlers of
 * pthread_atfork that others registered must not call the library either.
 */
TEL_API int tel_init(const struct tel_config *config);

/*
 * Ends the threads: exports the queued data and writes the logged lines, within `budget_ms`. The rest is counted as
 * dropped (reason "shutdown"). Call once, after every other thread that uses telemetry has ended. tel_init may be
 * called again afterwards.
 *
 * A program that ends without it loses the spans, metrics and log records that wait for the collector. exit(3) and a
 * return from main write the lines that are logged, within a second; _exit(2), abort(3) and a signal lose those of the
 * last 50 ms.
 */
TEL_API void tel_shutdown(unsigned budget_ms);

/* Opens the log file again (after rotation). Call from main's signal loop; the log thread does the work. */
TEL_API void tel_log_reopen(void);

/* Returns false when OTEL_SDK_DISABLED=true: no spans, no metrics, nothing is exported; propagation and log lines go
 * on. */
TEL_API bool tel_enabled(void);

/* ---- context: what crosses process boundaries -------------------------------------------------------------------- */

enum { TEL_SAMPLED = 0x01, TEL_RANDOM = 0x02 }; /* W3C trace-flags; no other bit is ever sent */

/* The ids of a span. */
struct tel_context {
	uint8_t trace_id[16];
	uint8_t span_id[8];
	uint8_t flags;
};

/* Returns false for ids that are all zero: there is no span (OpenTelemetry: SpanContext.IsValid). */
TEL_API bool tel_context_valid(struct tel_context context);

#define TEL_TRACEPARENT_LENGTH 55
#define TEL_TRACESTATE_MAX 4127 /* bytes, 32 members of 128; of a longer one, longer members are dropped */
#define TEL_BAGGAGE_MAX 8192    /* bytes; W3C Baggage: passed on whole or not at all */

/* The trace context that a request brought along. The storage is the caller's, and not part of the request. */
#define TEL_PARENT_SIZE 12416
struct tel_parent {
	union {
		uint64_t aligned;
		unsigned char bytes[TEL_PARENT_SIZE];
	} opaque;
};

/* Empties it, before the headers of a request are offered. */
TEL_API void tel_parent_init(struct tel_parent *parent);

/*
 * Offers one request header, as often as it came, in order. `name` in lower case; others than traceparent, tracestate
 * and baggage are ignored. Any bytes may come; what the standard calls invalid is ignored as it says.
 */
TEL_API void tel_parent_header(struct tel_parent *parent, const char *name, const char *value);

/* Call after the last header: without a valid traceparent there is no tracestate. */
TEL_API void tel_parent_end(struct tel_parent *parent);

/*
 * Takes the sampling threshold (`th` in the tracestate's member `ot`) out of what has come. Call it after
 * tel_parent_end when the sampled flag was decided again, and not by the trace id: the threshold is no longer true
 * then.
 */
TEL_API void tel_parent_forget_threshold(struct tel_parent *parent);

/*
 * The same for a process that another one started: takes what TRACEPARENT, TRACESTATE and BAGGAGE of the environment
 * say (OpenTelemetry specification, "Environment Variables as Context Propagation Carriers"). Nothing comes before or
 * after it. While no other thread changes the environment.
 */
TEL_API void tel_parent_environment(struct tel_parent *parent);

/* Returns the caller's ids; all zero when the headers brought none that are valid. */
TEL_API struct tel_context tel_parent_context(const struct tel_parent *parent);

/* Ready to send. The pointers belong to the request (see tel_span_start_remote). NULL or "": do not send. */
struct tel_carrier {
	char traceparent[TEL_TRACEPARENT_LENGTH + 1];
	const char *tracestate;
	const char *baggage;
};

/* ---- spans ------------------------------------------------------------------------------------------------------- */

enum tel_kind { TEL_INTERNAL = 1, TEL_SERVER = 2, TEL_CLIENT = 3, TEL_PRODUCER = 4, TEL_CONSUMER = 5 }; /* as OTLP */

/* A span lives in its owner's storage (the stack) and is copied when it ends. */
#define TEL_SPAN_SIZE 2304
struct tel_span {
	union {
		uint64_t aligned;
		unsigned char bytes[TEL_SPAN_SIZE];
	} opaque;
};

/*
 * Starts a child of the thread's current span (a root without one) and makes it current. `name` is a literal.
 * Trace id, flags, tracestate and baggage are inherited. The storage stays where it is, and is not left, until the span
 * has ended. A span that is started again before is lost.
 */
TEL_API void tel_span_start(struct tel_span *span, const char *name, enum tel_kind kind);

/*
 * Starts the first span of this process in a trace and makes it current. `parent` NULL or not valid: a new trace, which
 * the sampler (OTEL_TRACES_SAMPLER) decides on. `parent` must outlive the span and its children. Its tracestate becomes
 * that of the span: the sampling threshold in it follows the sampler's decision, and a false one is taken out.
 */
TEL_API void tel_span_start_remote(struct tel_span *span, const char *name, enum tel_kind kind,
				   struct tel_parent *parent);

/* Ends and queues the span and makes the outer one current. On the thread that started it; a second call does nothing.
 */
TEL_API void tel_span_end(struct tel_span *span);

/* `struct tel_span *var`, started, ended when the scope is left. */
#define TEL_SPAN(var, name, kind)                                                                                      \
	struct tel_span var##_storage __attribute__((cleanup(tel_span_end)));                                          \
	struct tel_span *const var = &var##_storage;                                                                   \
	tel_span_start(var, name, kind)

/* Returns the thread's current span; without one a span that records nothing and has zero ids. Never NULL. */
TEL_API struct tel_span *tel_span_current(void);

/* Returns true when attributes will be kept: lets a caller skip costly ones. */
TEL_API bool tel_span_recording(const struct tel_span *span);

/* Returns the span's ids and flags; all zero for the span that stands for none. */
TEL_API struct tel_context tel_span_context(const struct tel_span *span);

/* Replaces the name by "first second" (copied), such as "GET /api/v1/users/{id}"; `second` may be NULL. */
TEL_API void tel_span_rename(struct tel_span *span, const char *first, const char *second);

/* tel_span_set(span, tel_str("key", text), …): sets attributes. Set each key once. A string that does not fit in the
 * room that is left is dropped and counted. */
TEL_API void tel_span_set_attrs(struct tel_span *span, const struct tel_attr *attrs, size_t count);

/*
 * tel_span_event(span, "name", tel_str("key", text), …): adds an event to what the span itself has, with the time of
 * now; it is exported with the span and nowhere else. `name` is a literal. See tel_event for one that stands alone.
 */
TEL_API void tel_span_event_attrs(struct tel_span *span, const char *name, const struct tel_attr *attrs, size_t count);

/* Links to a span of another trace. */
TEL_API void tel_span_link(struct tel_span *span, struct tel_context to);

/* Status Error, and error.type=`error_type` (a literal: a status code or an error's name). Call once. */
TEL_API void tel_span_fail(struct tel_span *span, const char *error_type);

/* Fills what an outgoing call made under `span` has to send. `out` is valid as long as the span's request. */
TEL_API void tel_span_inject(const struct tel_span *span, struct tel_carrier *out);

/* Bytes that the variables of tel_span_environment need at most. */
#define TEL_ENVIRONMENT_SIZE (TEL_TRACEPARENT_LENGTH + TEL_TRACESTATE_MAX + TEL_BAGGAGE_MAX + 40)

/*
 * Makes the environment of a child process that works under `span`, for execve or posix_spawn: the variables of
 * `inherited` but TRACEPARENT, TRACESTATE and BAGGAGE, then those three as far as the span has them, and NULL.
 * `inherited` ends with NULL, as environ does, or is NULL.
 *
 *	char *variables[256], storage[TEL_ENVIRONMENT_SIZE];
 *	if (tel_span_environment(tel_span_current(), environ, variables, 256, storage, sizeof(storage)))
 *		posix_spawn(&pid, path, NULL, NULL, argv, variables);
 *
 * `variables` has room for `count` pointers, which point into `inherited` and into `storage` of `bytes` bytes. Returns
 * how many variables there are, without the NULL, or 0 with an empty result if they do not fit or there are none.
 * Allocates nothing and takes no lock: it may be called between fork and exec.
 */
TEL_API size_t tel_span_environment(const struct tel_span *span, char *const *inherited, char **variables, size_t count,
				    char *storage, size_t bytes);

/* ---- metrics ----------------------------------------------------------------------------------------------------- */

enum tel_metric_type { TEL_METRIC_COUNTER, TEL_METRIC_GAUGE, TEL_METRIC_HISTOGRAM };

#define TEL_LABELS_MAX 4
#define TEL_BOUNDS_MAX 20

struct tel_series; /* one combination of label values */

/*
 * A metric, declared at file scope by the macros below; it registers itself before main. Two files may declare the same
 * metric: both then feed one. `name` and label names are OpenTelemetry's, with dots; `unit` is in UCUM ("s", "By",
 * "{order}", "" for none). /metrics shows the name that Prometheus gives it: "orders.created" in "{order}" is
 * orders_created_total, "http.server.request.duration" in "s" is http_server_request_duration_seconds (OpenTelemetry
 * specification, "Prometheus and OpenMetrics Compatibility"). A metric whose declaration makes no sense, or to which
 * Prometheus would give the name of another one, keeps nothing, and tel_init says so.
 *
 * /metrics is tel_metrics_write. When OTEL_METRICS_EXPORTER has otlp, metrics are also sent to the collector, every
 * OTEL_METRIC_EXPORT_INTERVAL (60 s by default) and by tel_shutdown.
 */
struct tel_metric {
	const char *name, *unit, *help;
	enum tel_metric_type type;
	const double *bounds;                   /* histogram: ascending upper bounds, ends with 0, which is none */
	const char *labels[TEL_LABELS_MAX + 1]; /* names, NULL-terminated */
	/* private, zero at first */
	void *state;
	struct tel_metric *next;
};

/* Registers a metric that a macro below did not declare; it must stay. Once, before threads. */
TEL_API void tel_metric_register(struct tel_metric *metric);

#define TEL_METRIC_(var, type, name, unit, help, bounds, ...)                                                          \
	static struct tel_metric var = {name, unit, help, type, bounds, {__VA_ARGS__}, NULL, NULL};                    \
	__attribute__((constructor)) static void var##_register(void)                                                  \
	{                                                                                                              \
		tel_metric_register(&var);                                                                             \
	}                                                                                                              \
	struct tel_metric_semicolon_

/*
 * TEL_COUNTER(orders_created, "orders.created", "{order}", "Orders accepted.");
 * TEL_COUNTER(sent, "notifications.sent", "{notification}", "Notifications sent.", "channel");        // a label
 * TEL_HISTOGRAM(duration, "http.server.request.duration", "s", "Duration.", tel_http_bounds, "http.route");
 */
#define TEL_COUNTER(var, name, unit, ...) TEL_METRIC_ARGS_(var, TEL_METRIC_COUNTER, name, unit, __VA_ARGS__, NULL)
#define TEL_GAUGE(var, name, unit, ...) TEL_METRIC_ARGS_(var, TEL_METRIC_GAUGE, name, unit, __VA_ARGS__, NULL)
#define TEL_METRIC_ARGS_(var, type, name, unit, help, ...) TEL_METRIC_(var, type, name, unit, help, NULL, __VA_ARGS__)
#define TEL_HISTOGRAM(var, name, unit, help, ...) TEL_HISTOGRAM_ARGS_(var, name, unit, help, __VA_ARGS__, NULL)
#define TEL_HISTOGRAM_ARGS_(var, name, unit, help, bounds, ...)                                                        \
	TEL_METRIC_(var, TEL_METRIC_HISTOGRAM, name, unit, help, bounds, __VA_ARGS__)

TEL_API extern const double tel_http_bounds[]; /* seconds: those of the semantic conventions, and finer ones below */
TEL_API extern const double tel_db_bounds[];   /* the same for databases */

/*
 * With one `const char *` per label, in the order of declaration:
 *
 *	tel_counter_add(&orders_created, 1);            a counter takes value >= 0
 *	tel_counter_add(&sent, 1, "email");
 *	tel_counter_set(&requests, total);              a counter whose total is kept elsewhere
 *	tel_gauge_set(&level, 7);    tel_gauge_add(&level, -2);
 *	tel_histogram_record(&duration, seconds, "/api/v1/users/{id}");     value >= 0
 *
 * NULL as the value of a label is taken as "".
 * A histogram keeps the current span as the exemplar when it is sampled. No call allocates, or waits for another.
 */
TEL_API void tel_counter_add_to(struct tel_metric *metric, double value, const char *const *labels, size_t count);
TEL_API void tel_counter_set_to(struct tel_metric *metric, double value, const char *const *labels, size_t count);
TEL_API void tel_gauge_add_to(struct tel_metric *metric, double value, const char *const *labels, size_t count);
TEL_API void tel_gauge_set_to(struct tel_metric *metric, double value, const char *const *labels, size_t count);
TEL_API void tel_histogram_record_to(struct tel_metric *metric, double value, const char *const *labels, size_t count);

/*
 * tel_series(&sent, "email"): the series with these label values, made at the first call (from storage reserved at
 * start-up, values copied, up to 63 bytes each), found without a lock afterwards. At most 256 series a metric: past
 * that, all others share one with the label otel.metric.overflow="true". Valid for ever; keep it where the values are
 * fixed and each nanosecond counts. Never NULL: a wrong call gives a series that keeps nothing.
 */
TEL_API struct tel_series *tel_series_find(struct tel_metric *metric, const char *const *labels, size_t count);
TEL_API void tel_series_add(struct tel_series *series, double value);
TEL_API void tel_series_set(struct tel_series *series, double value);

/* `span` gives the exemplar if it is sampled. It may have ended, or be NULL. */
TEL_API void tel_series_record(struct tel_series *series, double value, const struct tel_span *span);

/* `hook` runs before metrics are read, for an exposition or to be sent, to set gauges; one at a time. At most 16, each
 * once, however often it is given; before threads start. It must not call tel_metrics_write. */
TEL_API void tel_metrics_hook(void (*hook)(void));

/* Returns the content type that answers an Accept header, which is NULL if none was sent: OpenMetrics if it is
 * accepted, else text 0.0.4. A literal. */
TEL_API const char *tel_metrics_content_type(const char *accept);

/*
 * Gives the whole exposition, for a content type of tel_metrics_content_type, to `write` in pieces, in order. `write`
 * returns false when it wants no more. Returns false then.
 */
TEL_API bool tel_metrics_write(const char *content_type, bool (*write)(void *arg, const char *text, size_t bytes),
			       void *arg);

/* ---- logs -------------------------------------------------------------------------------------------------------- */

/*
 * tel_info("message", tel_str("key", text), …), and so tel_debug, tel_warn and tel_error: one JSON line, with the ids
 * of the current span. `message` is a literal. LOG_LEVEL (debug info warn error) sets the least level. With
 * OTEL_LOGS_EXPORTER=otlp it is also queued as a log record for the collector (OpenTelemetry specification, "Logs Data
 * Model"), which OTEL_BLRP_* and OTEL_EXPORTER_OTLP_LOGS_* are about. A text of more than 4096 bytes is cut, and a
 * member or attribute truncated=true tells that.
 */
TEL_API void tel_log(enum tel_level level, const char *message, const struct tel_attr *attrs, size_t count);

/*
 * tel_event("payment.declined", tel_str("key", text), …): something that happened, in the course of the current span or
 * of none. It is a log record of level info with an event name, and a line whose msg and event are the name, a literal.
 * OpenTelemetry has events as log records; those of a span (tel_span_event) are deprecated there.
 */
TEL_API void tel_event_attrs(const char *name, const struct tel_attr *attrs, size_t count);

#ifdef __cplusplus
} /* extern "C" */
#endif

/* ---- any number of attributes and labels ------------------------------------------------------------------------- */

#ifndef __cplusplus

/* An array of the arguments after the first, and their number. */
#define TEL_REST_(type, first, ...)                                                                                    \
	((const type[]){__VA_ARGS__}), (sizeof((const type[]){__VA_ARGS__}) / sizeof(const type) - 1)
#define TEL_FIRST_(first, ...) (first)
#define TEL_ATTRS_(...) TEL_REST_(struct tel_attr, __VA_ARGS__, {NULL, TEL_TYPE_INT, 0, {NULL}})
#define TEL_LABELS_(...) TEL_REST_(char *const, __VA_ARGS__, NULL)

#define tel_span_set(span, ...) tel_span_set_attrs((span), TEL_ATTRS_(0, __VA_ARGS__))
#define tel_span_event(span, ...) tel_span_event_attrs((span), TEL_FIRST_(__VA_ARGS__, 0), TEL_ATTRS_(__VA_ARGS__))

#define tel_counter_add(metric, ...) TEL_MEASURE_(tel_counter_add_to, metric, __VA_ARGS__)
#define tel_counter_set(metric, ...) TEL_MEASURE_(tel_counter_set_to, metric, __VA_ARGS__)
#define tel_gauge_add(metric, ...) TEL_MEASURE_(tel_gauge_add_to, metric, __VA_ARGS__)
#define tel_gauge_set(metric, ...) TEL_MEASURE_(tel_gauge_set_to, metric, __VA_ARGS__)
#define tel_histogram_record(metric, ...) TEL_MEASURE_(tel_histogram_record_to, metric, __VA_ARGS__)
#define TEL_MEASURE_(function, metric, ...) function((metric), TEL_FIRST_(__VA_ARGS__, 0), TEL_LABELS_(__VA_ARGS__))
#define tel_series(...) tel_series_find(TEL_FIRST_(__VA_ARGS__, 0), TEL_LABELS_(__VA_ARGS__))

#define tel_debug(...) TEL_LOG_(TEL_LEVEL_DEBUG, __VA_ARGS__)
#define tel_info(...) TEL_LOG_(TEL_LEVEL_INFO, __VA_ARGS__)
#define tel_warn(...) TEL_LOG_(TEL_LEVEL_WARN, __VA_ARGS__)
#define tel_error(...) TEL_LOG_(TEL_LEVEL_ERROR, __VA_ARGS__)
#define tel_event(...) tel_event_attrs(TEL_FIRST_(__VA_ARGS__, 0), TEL_ATTRS_(__VA_ARGS__))
#define TEL_LOG_(level, ...) tel_log((level), TEL_FIRST_(__VA_ARGS__, 0), TEL_ATTRS_(__VA_ARGS__))

#else

struct tel_arguments_ { /* the same for C++, where an array has no compound literal */
	template <class... Attr> static void set(struct tel_span *span, Attr... attr)
	{
		const struct tel_attr attrs[] = {attr..., tel_int("", 0)};
		tel_span_set_attrs(span, attrs, sizeof...(attr));
	}
	template <class... Attr> static void event(struct tel_span *span, const char *name, Attr... attr)
	{
		const struct tel_attr attrs[] = {attr..., tel_int("", 0)};
		tel_span_event_attrs(span, name, attrs, sizeof...(attr));
	}
	template <class... Attr> static void log(enum tel_level level, const char *message, Attr... attr)
	{
		const struct tel_attr attrs[] = {attr..., tel_int("", 0)};
		tel_log(level, message, attrs, sizeof...(attr));
	}
	template <class... Attr> static void named(const char *name, Attr... attr)
	{
		const struct tel_attr attrs[] = {attr..., tel_int("", 0)};
		tel_event_attrs(name, attrs, sizeof...(attr));
	}
	template <class... Label>
	static void measure(void (*function)(struct tel_metric *, double, const char *const *, size_t),
			    struct tel_metric *metric, double value, Label... label)
	{
		const char *const labels[] = {label..., ""};
		function(metric, value, labels, sizeof...(label));
	}
	template <class... Label> static struct tel_series *series(struct tel_metric *metric, Label... label)
	{
		const char *const labels[] = {label..., ""};
		return tel_series_find(metric, labels, sizeof...(label));
	}
};

#define tel_span_set(...) tel_arguments_::set(__VA_ARGS__)
#define tel_span_event(...) tel_arguments_::event(__VA_ARGS__)
#define tel_counter_add(...) tel_arguments_::measure(tel_counter_add_to, __VA_ARGS__)
#define tel_counter_set(...) tel_arguments_::measure(tel_counter_set_to, __VA_ARGS__)
#define tel_gauge_add(...) tel_arguments_::measure(tel_gauge_add_to, __VA_ARGS__)
#define tel_gauge_set(...) tel_arguments_::measure(tel_gauge_set_to, __VA_ARGS__)
#define tel_histogram_record(...) tel_arguments_::measure(tel_histogram_record_to, __VA_ARGS__)
#define tel_series(...) tel_arguments_::series(__VA_ARGS__)
#define tel_debug(...) tel_arguments_::log(TEL_LEVEL_DEBUG, __VA_ARGS__)
#define tel_info(...) tel_arguments_::log(TEL_LEVEL_INFO, __VA_ARGS__)
#define tel_warn(...) tel_arguments_::log(TEL_LEVEL_WARN, __VA_ARGS__)
#define tel_error(...) tel_arguments_::log(TEL_LEVEL_ERROR, __VA_ARGS__)
#define tel_event(...) tel_arguments_::named(__VA_ARGS__)

#endif

#endif
