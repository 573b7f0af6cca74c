/* SPDX-License-Identifier: MIT */
/*
 * Credentials in URLs. A signed URL is as good as a password for whoever reads it in a trace or a log, so the values of
 * these parameters become REDACTED, as the semantic conventions of OpenTelemetry ask for url.query and url.full:
 *
 *	AWSAccessKeyId, Signature, X-Amz-Credential, X-Amz-Security-Token, X-Amz-Signature, X-Goog-Signature, sig
 *
 * Names are as they are written, in their case and without escapes. nginx/log.conf has the same list.
 */
#ifndef APM_BASE_REDACT_H
#define APM_BASE_REDACT_H

#include <stddef.h>

#include "base/buf.h"

/* Appends a query string, without its question mark. Any bytes may come. */
void redact_query(struct buf *out, const char *query, size_t bytes);

/* Appends a URL, or the end of one. What follows the first question mark is its query. */
void redact_url(struct buf *out, const char *url, size_t bytes);

#endif
