/* SPDX-License-Identifier: MIT */
/*
 * Chooses which traces are kept when more spans come than may be stored. The trace id decides, so that all services'
 * spans of a trace are kept or none. A trace that has begun to be stored is kept to its end.
 */
#ifndef APM_TRACE_STORE_LOAD_SHEDDING_H
#define APM_TRACE_STORE_LOAD_SHEDDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Call it once, before threads start. */
void load_shedding_init(size_t spans_per_second);

/*
 * Returns true if spans of the trace are stored. It is asked only of a trace that would be refused for the first time.
 */
typedef bool load_shedding_stored(void *arg, const uint8_t trace_id[16]);

/*
 * Returns true if these spans of the trace are to be stored. When the spans kept within a second reach the limit, the
 * share of traces that is kept is halved; after each second with less than half of the limit it is doubled again. The
 * newest 65536 kept and the newest 65536 refused traces are remembered, and their spans share their fate. Any thread.
 */
bool load_shedding_keep(const uint8_t trace_id[16], size_t spans, load_shedding_stored *stored, void *arg);

/* Returns the share of traces that is kept now, 0 to 1. */
double load_shedding_share(void);

#endif
