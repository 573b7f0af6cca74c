/* SPDX-License-Identifier: MIT */
/* The routes that every program has, for those who operate it: /healthz, /readyz, /metrics. */
#ifndef APM_APP_HEALTH_H
#define APM_APP_HEALTH_H

#include "http/route.h"

extern const struct route health_routes[];

/* `unready`, or NULL, is asked by /readyz, see struct app. Before threads start. */
void health_init(const char *(*unready)(void));

#endif
