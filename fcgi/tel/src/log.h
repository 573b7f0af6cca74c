/* SPDX-License-Identifier: MIT */
/* The life cycle of the log. Internal to tel/; the interface for programs is in tel.h. */
#ifndef TEL_LOG_H
#define TEL_LOG_H

#include <stdbool.h>

struct tel_config;

/* Takes the host's own sinks for lines and complaints, or none. Before log_start. */
void log_configure(const struct tel_config *config);

/*
 * Opens $LOG_DIR/<name>.log (stderr without LOG_DIR), reads LOG_LEVEL and starts the thread that writes. After
 * metrics_init. Until then lines go to stderr at once. The name of the file is locked until log_stop, also across
 * rotation. If the host has a sink of its own, only LOG_LEVEL is read. Returns 0, or -errno if nothing was started, and
 * then stderr says why; -EBUSY means that another process writes the file.
 */
int log_start(const char *name);

/*
 * Writes what is left, within `budget_ms`, and ends the thread; what could not be written is counted as dropped. Lines
 * logged afterwards are written at once, or dropped and counted where they would go to the host. log_start may follow
 * (in tests).
 */
void log_stop(unsigned budget_ms);

/* Called before a fork. Then several processes may write the file, which stays locked while any of them has it. */
void log_before_fork(void);

#endif
