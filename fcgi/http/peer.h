/* SPDX-License-Identifier: MIT */
/* Where another service is: $NAME_URL, else http://127.0.0.1:$NAME_PORT, else nginx's default port of it. */
#ifndef APM_HTTP_PEER_H
#define APM_HTTP_PEER_H

#include "base/env.h"

struct neighbour;

struct peer {
	const char *service;
	char base[ENV_URL_MAX + 1];    /* "http://[::1]:8081" */
	char address[ENV_URL_MAX + 1]; /* its host, as the semantic conventions have it: "::1" */
	const char *scheme;
	int port;
	struct neighbour *neighbour;
};

/* Fills it in from the environment. `service`: a literal such as "users". Any thread. */
void peer_init(struct peer *peer, const char *service);

#endif
