/* SPDX-License-Identifier: MIT */
/* A growable byte buffer with a stated maximum. */
#ifndef APM_BASE_BUF_H
#define APM_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Errors are sticky: once an addition did not fit under `max` bytes, or memory ran out, `failed` is set and further
 * additions do nothing. Build first, ask once. Not thread-safe; the caller owns the struct.
 */
struct buf {
	char *data; /* NUL-terminated after any addition; NULL until the first one */
	size_t len; /* bytes in use, without the NUL */
	size_t cap; /* bytes of `data` */
	size_t max; /* `len` never exceeds it */
	bool failed;
};

/* Prepares an empty buffer that may grow to `max_bytes`. Allocates nothing. */
void buf_init(struct buf *b, size_t max_bytes);

/*
 * Prepares an empty buffer in `storage` of `size` bytes (1 at least), which never allocates: `size` - 1 bytes fit. The
 * storage stays the caller's, and buf_done must not be called.
 */
void buf_init_fixed(struct buf *b, char *storage, size_t size);

/* Lets a buffer in fixed storage use `len` more bytes, which the storage must have: for an end that has to fit. */
void buf_widen(struct buf *b, size_t len);

/* Frees the bytes. The struct may be initialised again. */
void buf_done(struct buf *b);

/* Empties the buffer and clears `failed`; keeps the memory. */
void buf_reset(struct buf *b);

/* The slow path of buf_reserve. */
bool buf_grow(struct buf *b, size_t len);

/* Makes room for `len` more bytes, so that adding them allocates nothing. Returns false and sets `failed` otherwise. */
static inline bool buf_reserve(struct buf *b, size_t len)
{
	return (!b->failed && len <= b->max - b->len && len < b->cap - b->len) || buf_grow(b, len);
}

/* Append bytes, a NUL-terminated text, a character, and a text that printf() makes. */
void buf_add(struct buf *b, const void *data, size_t len);
void buf_adds(struct buf *b, const char *text);
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Appends the decimal form without printf. */
void buf_add_int(struct buf *b, long long value);

/* Appends a finite number with the fewest digits that read back as the same double: 0.1, 1e-05, 10. */
void buf_add_double(struct buf *b, double value);

/* Declares a buffer that is freed at the end of its scope. */
#define BUF(name, max_bytes)                                                                                           \
	struct buf name __attribute__((cleanup(buf_done)));                                                            \
	buf_init(&(name), max_bytes)

#endif
