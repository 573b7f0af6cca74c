/* SPDX-License-Identifier: MIT */
/* Where another service is: at $NAME_URL, else at http://127.0.0.1:$NAME_PORT. */
#ifndef APM_HTTP_PEER_H
#define APM_HTTP_PEER_H

#include <stdbool.h>

#include "base/env.h"

#define PEER_VARIABLE_MAX 63 /* bytes of a variable's name */

struct peer {
	const char *service;           /* literal */
	char base[ENV_URL_MAX + 1];    /* "http://[::1]:8081" */
	char address[ENV_URL_MAX + 1]; /* its host, as the semantic conventions have it: "::1" */
	const char *scheme;
	int port;

	char url_variable[PEER_VARIABLE_MAX + 1], port_variable[PEER_VARIABLE_MAX + 1];
	struct env_setting url_setting, port_setting; /* so that env_check looks at their values */
};

/* Registers the two variables of a service, "users", as settings. `peer` must stay in place. Before env_check. */
void peer_init(struct peer *peer, const char *service);

/* Reads them. Returns false if neither is set. After env_check. */
bool peer_locate(struct peer *peer);

#endif
