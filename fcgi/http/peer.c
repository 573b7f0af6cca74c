/* SPDX-License-Identifier: MIT */
#include "http/peer.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "base/env.h"
#include "http/neighbour.h"

/* Where a service is when nothing says it: nginx's defaults. */
static const struct {
	const char *service, *port;
} default_ports[] = {{"users", "8081"}, {"orders", "8082"}, {"notifications", "8083"}};

ENV_SETTING(users_port, .name = "USERS_PORT", .min = 1, .max = 65535);
ENV_SETTING(users_url, .name = "USERS_URL", .kind = ENV_URL);
ENV_SETTING(orders_port, .name = "ORDERS_PORT", .min = 1, .max = 65535);
ENV_SETTING(orders_url, .name = "ORDERS_URL", .kind = ENV_URL);
ENV_SETTING(notifications_port, .name = "NOTIFICATIONS_PORT", .min = 1, .max = 65535);
ENV_SETTING(notifications_url, .name = "NOTIFICATIONS_URL", .kind = ENV_URL);

/* "users" and "_URL" make "USERS_URL". */
static const char *setting(const char *service, const char *suffix, const char *fallback)
{
	char name[64];
	size_t i = 0;

	for (; i < sizeof(name) - 8 && service[i]; i++)
		name[i] = (char)(service[i] == '-' ? '_' : ascii_upper(service[i]));
	snprintf(name + i, sizeof(name) - i, "%s", suffix);
	return env_string(name, fallback);
}

static void find_base(struct peer *peer)
{
	char fallback[64];
	const char *port = "80";

	for (size_t i = 0; i < sizeof(default_ports) / sizeof(*default_ports); i++)
		if (strcmp(peer->service, default_ports[i].service) == 0)
			port = default_ports[i].port;
	snprintf(fallback, sizeof(fallback), "http://127.0.0.1:%s", setting(peer->service, "_PORT", port));
	snprintf(peer->base, sizeof(peer->base), "%s", setting(peer->service, "_URL", fallback));
	for (size_t end = strlen(peer->base); end && peer->base[end - 1] == '/'; end--)
		peer->base[end - 1] = '\0';
}

static void find_address(struct peer *peer)
{
	const char *host = strstr(peer->base, "://");
	bool tls = ascii_same_start(peer->base, "https:", 6);

	peer->scheme = tls ? "https" : "http";
	host = host ? host + 3 : peer->base;
	size_t authority = strcspn(host, "/?#");
	const char *at = memrchr(host, '@', authority); /* no user and password */
	if (at)
		host = at + 1;
	bool bracketed = *host == '[';
	host += bracketed;
	size_t bytes = strcspn(host, bracketed ? "]" : ":/?#");
	snprintf(peer->address, sizeof(peer->address), "%.*s", (int)bytes, host);
	const char *colon = host + bytes + bracketed;
	peer->port = *colon == ':' ? (int)strtol(colon + 1, NULL, 10) : tls ? 443 : 80;
}

void peer_init(struct peer *peer, const char *service)
{
	peer->service = service;
	peer->neighbour = neighbour_find(service);
	find_base(peer);
	find_address(peer);
}
