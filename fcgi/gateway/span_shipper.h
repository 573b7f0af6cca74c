/* SPDX-License-Identifier: MIT */
/* Sends the spans of the access log to the collector. The log is their queue: nothing is lost while the collector is
 * down. */
#ifndef APM_GATEWAY_SPAN_SHIPPER_H
#define APM_GATEWAY_SPAN_SHIPPER_H

/*
 * Starts the thread. The checkpoint moves only when the collector has answered for good: kept or refused. A batch is
 * sent when it is full or its first line has waited for OTEL_BSP_SCHEDULE_DELAY (here 500 ms by default). The paths
 * must outlive the shipper; once per process. 0 or -errno.
 */
int span_shipper_start(const char *access_log, const char *checkpoint_file);

/* Sends what the log holds and ends the thread, within `budget_ms`; what is left then is sent after the next start. */
void span_shipper_stop(unsigned budget_ms);

#endif
