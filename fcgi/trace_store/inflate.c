/* SPDX-License-Identifier: MIT */
#define ZLIB_CONST /* next_in is const */
#include "trace_store/inflate.h"

#include <limits.h>
#include <zlib.h>

/* Window bits of inflateInit2. */
#define ZLIB_ONLY 15
#define GZIP_ONLY (15 + 16)

bool inflate_body(enum inflate_format format, struct slice in, struct buf *out)
{
	z_stream stream = {.next_in = (const Bytef *)in.data, .avail_in = (uInt)in.len};
	char piece[16384];
	int result = Z_OK;

	if (in.len > UINT_MAX || inflateInit2(&stream, format == INFLATE_GZIP ? GZIP_ONLY : ZLIB_ONLY) != Z_OK)
		return false;
	while (result == Z_OK && !out->failed) {
		stream.next_out = (Bytef *)piece;
		stream.avail_out = sizeof(piece);
		result = inflate(&stream, Z_NO_FLUSH);
		buf_add(out, piece, sizeof(piece) - stream.avail_out);
		if (result == Z_STREAM_END && stream.avail_in && format == INFLATE_GZIP)
			result = inflateReset(&stream); /* another member follows */
	}
	inflateEnd(&stream);
	return result == Z_STREAM_END && !stream.avail_in && !out->failed;
}
