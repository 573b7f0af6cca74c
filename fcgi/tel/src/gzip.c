/* SPDX-License-Identifier: MIT */
#include "tel/src/gzip.h"

#ifndef TEL_NO_GZIP

#include <stdlib.h>
#include <zlib.h>

struct gzip {
	z_stream deflate;
};

struct gzip *gzip_new(void)
{
	struct gzip *gzip = calloc(1, sizeof(*gzip));

	/* 15 window bits and 16 for a gzip header */
	if (gzip && deflateInit2(&gzip->deflate, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
		free(gzip);
		return NULL;
	}
	return gzip;
}

void gzip_free(struct gzip *gzip)
{
	if (gzip)
		deflateEnd(&gzip->deflate);
	free(gzip);
}

bool gzip_body(struct gzip *gzip, const void *body, size_t bytes, struct buf *out)
{
	z_stream *z = &gzip->deflate;

	buf_reset(out);
	deflateReset(z);
	size_t bound = deflateBound(z, bytes);
	if (!buf_reserve(out, bound))
		return false;
	z->next_in = (Bytef *)body; /* zlib's interface is not const */
	z->avail_in = (uInt)bytes;
	z->next_out = (Bytef *)out->data;
	z->avail_out = (uInt)bound;
	if (deflate(z, Z_FINISH) != Z_STREAM_END)
		return false;
	out->len = bound - z->avail_out;
	return true;
}

#else /* OTEL_EXPORTER_OTLP_COMPRESSION=gzip is told to be ignored */

struct gzip *gzip_new(void)
{
	return NULL;
}

void gzip_free(struct gzip *gzip)
{
	(void)gzip;
}

bool gzip_body(struct gzip *gzip, const void *body, size_t bytes, struct buf *out)
{
	(void)gzip, (void)body, (void)bytes, (void)out;
	return false;
}

#endif
