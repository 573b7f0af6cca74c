/* SPDX-License-Identifier: MIT */
/* Life cycle of the log. Internal to tel/; what others see is in tel.h. */
#ifndef TEL_LOG_H
#define TEL_LOG_H

#include <stdbool.h>

struct tel_config;

/* Takes the host's own sinks for lines and complaints, or none. Before log_start. */
void log_configure(const struct tel_config *config);

/*
 * Opens $LOG_DIR/<name>.log (stderr without LOG_DIR), reads LOG_LEVEL and starts the thread that writes. After
 * metrics_init. Until then lines go to stderr at once. The file is locked until log_stop, under its name: rotation does
 * not touch that. With a sink of the host's only LOG_LEVEL is read. Returns 0 or -errno, -EBUSY when another process
 * writes the file; then nothing was started, and stderr says why.
 */
int log_start(const char *name);

/*
 * Writes what is left, within `budget_ms`, and ends the thread; what could not be written is counted as dropped. Lines
 * logged afterwards are written at once, or dropped and counted where they would go to the host. log_start may follow
 * (in tests).
 */
void log_stop(unsigned budget_ms);

/* The values of LOG_LEVEL, and of OTEL_LOG_LEVEL, which may also be none, in any case. False: it is none of them. */
bool log_parse_level(const char *name, unsigned *level);
bool log_parse_complaint_level(const char *name, unsigned *level);

/* Before a fork: from then on several processes may write the file, and it is locked as long as one of them has it. */
void log_before_fork(void);

#endif
