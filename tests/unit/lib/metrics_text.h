/* SPDX-License-Identifier: MIT */
/* The exposition, in a buffer. */
#ifndef APM_TESTS_METRICS_TEXT_H
#define APM_TESTS_METRICS_TEXT_H

#include "base/buf.h"
#include "tel/tel.h"

static inline bool metrics_text_add(void *out, const char *text, size_t bytes)
{
	buf_add(out, text, bytes);
	return !((struct buf *)out)->failed;
}

/* Appends it. False: there was no room. */
static inline bool metrics_text(struct buf *out, const char *content_type)
{
	return tel_metrics_write(content_type, metrics_text_add, out);
}

#endif
