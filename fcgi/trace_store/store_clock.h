/* SPDX-License-Identifier: MIT */
/*
 * The clock by which stored traces age: it goes as fast as the monotonic clock, also over a restart of the program, and
 * never goes back. While the wall clock is not set it shows the same. Any thread, after the start.
 */
#ifndef APM_TRACE_STORE_STORE_CLOCK_H
#define APM_TRACE_STORE_STORE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Once, before threads start. `offset_ms`: by how much it was ahead of the wall clock, as store_clock_jumped told it.
 * `newest_ms`: the latest time that was stored by it, which it will not show again.
 */
void store_clock_start(int64_t offset_ms, int64_t newest_ms);

/* Milliseconds. */
int64_t store_clock_ms(void);

/*
 * True: the wall clock was set by a second or more since the offset was kept: store *offset_ms for the next start, and
 * then say so with store_clock_kept(). One thread at a time.
 */
bool store_clock_jumped(int64_t *offset_ms);
void store_clock_kept(int64_t offset_ms);

#endif
