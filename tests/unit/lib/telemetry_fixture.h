/* SPDX-License-Identifier: MIT */
/*
 * The whole of telemetry against the collector of collector.h, with a log in a temporary directory, and in a time of
 * its own unless a test wants the real one.
 */
#ifndef APM_TESTS_TELEMETRY_FIXTURE_H
#define APM_TESTS_TELEMETRY_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>

#include "collector.h"
#include "metrics_text.h"
#include "tel/tel.h"
#include "temporary.h"
#include "virtual_clock.h"

/* Set up and tear down a test: the collector has a port but does not serve yet, the environment has no settings. */
int fixture_begin(void **state);
int fixture_begin_in_real_time(void **state);
int fixture_end(void **state);

void start_with(const struct tel_config *config);
void start_telemetry(bool no_exporter);

/* Ends telemetry and reads the log. Returns the milliseconds that it took. */
double stop_telemetry(unsigned budget_ms);

extern char log_text[1 << 20]; /* of the last stop */

/* Returns how often the log has a text. */
size_t logged(const char *text);

void make_spans(int count);

/* Waits until the exporter knows the fate of all spans. */
void wait_until_empty(void);

/* The counts of spans, or of log records, which are made and never live. */
struct counts {
	double live, queued, in_flight; /* now; those below since the start */
	double started;
	double exported, rejected, status_4xx, status_5xx, connection, timeout, protocol;
	double queue_full, export_failed, refused, shutdown; /* dropped */
	double passed, away_full, away_large, away_late;     /* processed */
};

/* Return them at a moment when the laws of self_metrics.h hold. */
struct counts counts(void);
struct counts log_counts(void);

#endif
