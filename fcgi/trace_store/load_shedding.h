/* SPDX-License-Identifier: MIT */
/*
 * Which traces are kept when more spans come than may be stored. The trace id decides, so that the pieces of a trace,
 * which come in requests of several services, share its fate. Of a trace that has begun to be stored all is kept:
 * whatever comes, nothing that is stored is lost by it.
 */
#ifndef APM_TRACE_STORE_LOAD_SHEDDING_H
#define APM_TRACE_STORE_LOAD_SHEDDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Once, before threads start. */
void load_shedding_init(size_t spans_per_second);

/* Tells whether spans of the trace are stored. Asked only of a trace that would be refused for the first time. */
typedef bool load_shedding_stored(void *arg, const uint8_t trace_id[16]);

/*
 * True: these spans of the trace are to be stored. When the spans kept within a second reach the limit, the share of
 * traces that is kept is halved; it is doubled again after each second with less than half of the limit. A trace that
 * was kept once or is stored is kept, and one that was refused stays refused, while it is among the newest 65536 of
 * these. Any thread.
 */
bool load_shedding_keep(const uint8_t trace_id[16], size_t spans, load_shedding_stored *stored, void *arg);

/* The share of traces that is kept now, 0 to 1. */
double load_shedding_share(void);

#endif
