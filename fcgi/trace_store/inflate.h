/* SPDX-License-Identifier: MIT */
/* A body that came with a Content-Encoding of zlib's. */
#ifndef APM_TRACE_STORE_INFLATE_H
#define APM_TRACE_STORE_INFLATE_H

#include "base/buf.h"
#include "base/protobuf.h"

enum inflate_format {
	INFLATE_GZIP, /* RFC 1952: all of its members */
	INFLATE_ZLIB  /* RFC 1950, which HTTP calls deflate */
};

/*
 * Appends what `in` holds. False: not of this format, cut off, something follows, or more than `out` may hold
 * (out->failed tells). Pure.
 */
bool inflate_body(enum inflate_format format, struct slice in, struct buf *out);

#endif
