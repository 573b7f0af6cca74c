/* SPDX-License-Identifier: MIT */
/* The spans that ended, which are kept here in the place of an exporter. */
#ifndef APM_TESTS_ENDED_SPANS_H
#define APM_TESTS_ENDED_SPANS_H

#include <stdatomic.h>

#include "tel/src/span.h"

extern struct span ended[64];   /* the first ones, in the order of their ends */
extern atomic_uint ended_count; /* of all; a test may set it to 0 */

/* Keeps a span: for span_configure. */
void keep_span(const struct span *span);

/* Forgets what was kept, samples every trace and keeps its spans. */
void keep_spans(void);

#endif
