/* SPDX-License-Identifier: MIT */
/*
 * Hides credentials in URLs. A signed URL works like a password for anybody who reads it in a trace or a log, so the
 * values of these parameters become REDACTED, as OpenTelemetry's semantic conventions ask for url.query and url.full:
 *
 *	AWSAccessKeyId, Signature, X-Amz-Credential, X-Amz-Security-Token, X-Amz-Signature, X-Goog-Signature, sig
 *
 * Names are compared as they are written, with their case and without decoding. nginx/log.conf has the same list.
 */
#ifndef APM_BASE_REDACT_H
#define APM_BASE_REDACT_H

#include <stddef.h>

#include "base/buf.h"

/* Appends a query string, without its question mark. Any bytes may come. */
void redact_query(struct buf *out, const char *query, size_t len);

/* Appends a URL, or the end of one. Its query begins after the first question mark. */
void redact_url(struct buf *out, const char *url, size_t len);

#endif
