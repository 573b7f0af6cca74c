/* SPDX-License-Identifier: MIT */
/* What operators ask every program: /healthz, /readyz, /metrics. */
#ifndef APM_APP_HEALTH_H
#define APM_APP_HEALTH_H

#include "app/app.h"

extern const struct route ops_routes[];

/* Before threads start: what /readyz asks. */
void ops_init(const struct app *app);

#endif
