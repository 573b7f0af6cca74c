/* SPDX-License-Identifier: MIT */
/* The parts of an open database, for database.c and its tests. */
#ifndef APM_DATABASE_PARTS_H
#define APM_DATABASE_PARTS_H

#include "database/steady_clock.h"
#include "database/watch.h"
#include "database/writer.h"

struct database {
	struct location location;
	struct vitals vitals;
	struct steady_clock clock;
	struct writer writer;
	struct watch watch;
	struct refusal refusal;
};

#endif
