/* A body that came with Content-Encoding: gzip (RFC 1952). */
#ifndef APM_TRACES_INFLATE_H
#define APM_TRACES_INFLATE_H

#include "base/buf.h"
#include "traces/wire.h"

/*
 * Appends what `in` holds, all of its members. False: not gzip, cut off, or more than `out` may hold (out->failed
 * tells). Pure.
 */
bool inflate_gzip(struct bytes in, struct buf *out);

#endif
