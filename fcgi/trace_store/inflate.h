/* SPDX-License-Identifier: MIT */
/* Decompresses a body with Content-Encoding gzip or deflate. */
#ifndef APM_TRACE_STORE_INFLATE_H
#define APM_TRACE_STORE_INFLATE_H

#include "base/buf.h"
#include "base/protobuf.h"

enum inflate_format {
	INFLATE_GZIP, /* RFC 1952, with any number of members */
	INFLATE_ZLIB  /* RFC 1950, which HTTP calls deflate */
};

/*
 * Appends the content of `in`. Returns false if it is not of this format, is truncated, or something follows it;
 * out->failed tells that it does not fit into `out`. Pure.
 */
bool inflate_body(enum inflate_format format, struct slice in, struct buf *out);

#endif
