/* SPDX-License-Identifier: MIT */
#include "ended_spans.h"

#include <pthread.h>
#include <string.h>

struct span ended[64];
atomic_uint ended_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void keep_span(const struct span *span)
{
	pthread_mutex_lock(&lock);
	if (ended_count < sizeof(ended) / sizeof(ended[0]))
		memcpy(&ended[ended_count], span, span_size(span));
	ended_count++;
	pthread_mutex_unlock(&lock);
}

void keep_spans(void)
{
	static const struct sampler all = {.parent_based = true};

	ended_count = 0;
	span_configure(true, &all, keep_span);
}
