/* SPDX-License-Identifier: MIT */
/* Inside of metrics, for the exposition. Internal to tel/; what others see is in tel.h. */
#ifndef TEL_METRICS_H
#define TEL_METRICS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tel/src/exemplar.h"
#include "tel/tel.h"

/*
 * Before threads: `enabled` false makes every observation a no-op and the exposition empty. Returns 0, or why a metric
 * could not be registered: -ENOMEM, or -EINVAL: its declaration is wrong, or another declaration of the name differs.
 */
int metrics_init(bool enabled);

/* The last metric that could not be registered, NULL: all were. */
const char *metrics_failed(void);

bool metrics_enabled(void);

/* Registers the scrape hook of process_*; metrics_init does. */
void process_metrics_init(void);

#define METRIC_SERIES_MAX 256

struct tel_series {
	const struct tel_metric *metric;
	_Atomic uint64_t value;     /* bits of a double: the value, or a histogram's sum */
	_Atomic uint64_t *buckets;  /* one per bound and one for +Inf; not cumulative */
	struct exemplar *exemplars; /* the same */
	uint64_t hash;
	size_t key_bytes; /* 0: the overflow series, or no labels */
	char *key;        /* the label values, NUL after each */
};

double series_value(const struct tel_series *series);

/* All metrics, by name; follow `next`. */
const struct tel_metric *metrics_first(void);

unsigned metric_bound_count(const struct tel_metric *metric);

/* Series in the order of their making; NULL after the last. The overflow series, if any, is the last one. */
const struct tel_series *metric_series(const struct tel_metric *metric, unsigned index);

#endif
