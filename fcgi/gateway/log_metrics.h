/* SPDX-License-Identifier: MIT */
/* The gateway's HTTP metrics, from its access log; live, however far behind the spans are. */
#ifndef APM_GATEWAY_LOG_METRICS_H
#define APM_GATEWAY_LOG_METRICS_H

/*
 * Starts the thread, which goes on where its own checkpoint says, so that no request counts twice after a restart. Also
 * counts lines, and those that are none of ours. The paths must outlive it; once per process. 0 or -errno.
 */
int log_metrics_start(const char *access_log, const char *checkpoint_file);
void log_metrics_stop(void);

#endif
