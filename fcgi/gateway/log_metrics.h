/* SPDX-License-Identifier: MIT */
/* The gateway's HTTP metrics, from its access log. They are live, even while spans wait for the collector. */
#ifndef APM_GATEWAY_LOG_METRICS_H
#define APM_GATEWAY_LOG_METRICS_H

/*
 * Starts the thread, once per process. It goes on from a checkpoint of its own, so that no request counts twice after a
 * restart. It also counts the lines, and those that cannot be parsed. The paths must outlive it. Returns 0 or -errno.
 */
int log_metrics_start(const char *access_log, const char *checkpoint_file);
void log_metrics_stop(void);

#endif
