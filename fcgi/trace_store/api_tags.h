/* SPDX-License-Identifier: MIT */
/* The way through all spans that a query is about, for api_tags.c and api_tag_values.c. */
#ifndef APM_TRACE_STORE_API_TAGS_H
#define APM_TRACE_STORE_API_TAGS_H

#include "trace_store/api_query.h"
#include "trace_store/string_set.h"

/*
 * `span` is called for each span within start and end that q selects; `resource` and `scope` are called once, before
 * the first span of theirs.
 */
struct api_tags_collector {
	void (*resource)(void *arg, struct api_query *q, const struct trace_resource *resource);
	void (*scope)(void *arg, struct api_query *q, const struct trace_scope *scope);
	void (*span)(void *arg, struct api_query *q, struct selection *asking, const struct trace_span *span);
	void *arg;
};

void api_tags_collect(struct api_query *q, const struct api_tags_collector *collector);

#endif
