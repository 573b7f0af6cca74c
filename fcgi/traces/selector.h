/*
 * Which traces a search wants: the simplest selectors of TraceQL, and the older parameters of Tempo's search.
 *
 *	{ resource.service.name = "order-service" && status = error && duration > 100ms }
 *	tags=service.name=order-service http.response.status_code=503
 */
#ifndef APM_TRACES_SELECTOR_H
#define APM_TRACES_SELECTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "traces/walk.h"

#define SELECTOR_CONDITIONS_MAX 16
#define SELECTOR_TEXT_MAX 4096 /* bytes of a query */

enum selector_field {
	SELECT_ATTRIBUTE, /* of the span, else of its resource */
	SELECT_SPAN,
	SELECT_RESOURCE,
	SELECT_NAME,
	SELECT_KIND,
	SELECT_STATUS,
	SELECT_DURATION, /* ns */
	SELECT_ROOT_NAME,
	SELECT_ROOT_SERVICE,
	SELECT_TRACE_DURATION /* ns */
};

enum selector_operator { SELECT_EQ, SELECT_NE, SELECT_LT, SELECT_LE, SELECT_GT, SELECT_GE };

struct selector_condition {
	enum selector_field field;
	struct bytes key; /* of an attribute */
	enum selector_operator operator;
	struct value value;
	bool loose; /* from tags: text, which a number or a bool may equal as well */
};

struct selector {
	struct selector_condition conditions[SELECTOR_CONDITIONS_MAX];
	size_t count;
	bool each_alone;              /* from tags: each condition may hold for another span of the trace */
	char text[SELECTOR_TEXT_MAX]; /* what keys and values point at */
	size_t used;
};

/*
 * `{…}` with conditions joined by &&; "" selects all. False: not that (|| and pipelines, regular expressions, parts of
 * TraceQL that are not here), and `error` says what, a literal.
 */
bool selector_parse(struct selector *s, const char *query, const char **error);

/* key=value …, values quoted where they have spaces; "" selects all. */
bool selector_parse_tags(struct selector *s, const char *tags, const char **error);

/* "100ms", "1.5s", "2m", "1h30m" as nanoseconds. False: not that. */
bool selector_duration(const char *text, uint64_t *ns);

/* True: the span meets every condition (not for each_alone), `walk` stands at it. */
bool selector_span(const struct selector *s, const struct trace_summary *trace, const struct walk *walk,
		   const struct span_summary *span);

/* True: the trace has what is wanted. */
bool selector_trace(const struct selector *s, const struct trace_summary *summary, struct bytes trace);

#endif
