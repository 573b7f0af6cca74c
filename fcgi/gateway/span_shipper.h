/* SPDX-License-Identifier: MIT */
/* Sends the spans of the access log to the collector. The log is their queue, so that none is lost while it is down. */
#ifndef APM_GATEWAY_SPAN_SHIPPER_H
#define APM_GATEWAY_SPAN_SHIPPER_H

/*
 * Starts the thread, once per process. The checkpoint moves only when the collector has kept or refused the spans. A
 * batch is sent when it is full or its first line has waited for OTEL_BSP_SCHEDULE_DELAY (here 500 ms by default). The
 * paths must outlive the shipper. Returns 0 or -errno.
 */
int span_shipper_start(const char *access_log, const char *checkpoint_file);

/* Sends the rest of the log and ends the thread, within `budget_ms`; the next start sends any lines that are left. */
void span_shipper_stop(unsigned budget_ms);

#endif
