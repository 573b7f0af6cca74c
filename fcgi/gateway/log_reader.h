/* SPDX-License-Identifier: MIT */
/* An open file of the log, plain or compressed by gzip (RFC 1952), read by offset. */
#ifndef APM_GATEWAY_LOG_READER_H
#define APM_GATEWAY_LOG_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* One thread owns it. */
struct log_reader {
	int fd;              /* -1: no file */
	struct gzFile_s *gz; /* NULL: it is plain */
};

#define LOG_READER_NONE ((struct log_reader){.fd = -1})

/* Opens a file of a directory (or AT_FDCWD). Returns 0 or -errno. */
int log_reader_open(struct log_reader *r, int directory, const char *name, bool compressed);
void log_reader_close(struct log_reader *r);

static inline bool log_reader_is_open(const struct log_reader *r)
{
	return r->fd >= 0;
}

/*
 * Reads at an offset of the plain text; going back in a compressed file is slow. Returns the bytes read, 0 at the end,
 * and -1 when the disk or the compressed file is broken.
 */
ssize_t log_reader_read(struct log_reader *r, void *out, size_t len, uint64_t offset);

#endif
