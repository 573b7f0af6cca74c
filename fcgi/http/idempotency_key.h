/* SPDX-License-Identifier: MIT */
/* The header Idempotency-Key (draft-ietf-httpapi-idempotency-key-header-07): how a client writes a key. */
#ifndef APM_HTTP_IDEMPOTENCY_KEY_H
#define APM_HTTP_IDEMPOTENCY_KEY_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Reads the header's value: a structured-field string ("…", RFC 8941 section 3.3.3), or the same without quotes, as
 * most clients send it: visible ASCII but no comma, quote or backslash. `out` of `size` bytes gets the key without its
 * quotes, and *len its length: 0 when `header` is NULL, which means that none was sent. Returns false if the value is
 * malformed or the key longer than size - 1; `out` is undefined then, *len untouched. Pure.
 */
bool idempotency_key_parse(const char *header, char *out, size_t size, size_t *len);

#endif
