/* SPDX-License-Identifier: MIT */
/* Compression of request bodies, by zlib. Not there with TEL_NO_GZIP. Internal to tel/. */
#ifndef TEL_GZIP_H
#define TEL_GZIP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct gzip;

/* Returns NULL if memory is short or there is no zlib. */
struct gzip *gzip_new(void);
void gzip_free(struct gzip *gzip);

/* Replaces `out` by the compressed body. For one thread at a time. Returns false if memory is short. */
bool gzip_body(struct gzip *gzip, const void *body, size_t bytes, struct buf *out);

#endif
