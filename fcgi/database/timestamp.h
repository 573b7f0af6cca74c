/* SPDX-License-Identifier: MIT */
/* Times as rows keep them: text that sorts by time. */
#ifndef APM_DATABASE_TIMESTAMP_H
#define APM_DATABASE_TIMESTAMP_H

#include <stdint.h>

#define DB_TIME_SIZE 32
#define DB_DAY_MS INT64_C(86400000)

/* Returns the wall clock's time in milliseconds since 1970, UTC. */
int64_t db_now_ms(void);

/*
 * Writes RFC 3339 with milliseconds, "2026-11-22T12:30:00.123Z", into `out` (DB_TIME_SIZE bytes). A time before 1970,
 * such as a day ago on a machine whose clock starts in 1970, is written as the beginning of 1970.
 */
void db_time(int64_t unix_ms, char *out);

#endif
