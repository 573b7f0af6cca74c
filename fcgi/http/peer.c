/* SPDX-License-Identifier: MIT */
#include "http/peer.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"

/* Makes "USERS_URL" of "users" and "_URL". */
static void name_variable(const char *service, const char *suffix, char *out)
{
	int len = snprintf(out, PEER_VARIABLE_MAX + 1, "%s%s", service, suffix);

	assert(len >= 0 && len <= PEER_VARIABLE_MAX);
	for (; *out; out++)
		*out = (char)(*out == '-' ? '_' : ascii_upper(*out));
}

void peer_init(struct peer *peer, const char *service)
{
	peer->service = service;
	name_variable(service, "_URL", peer->url_variable);
	name_variable(service, "_PORT", peer->port_variable);
	peer->url_setting = (struct env_setting){.name = peer->url_variable, .kind = ENV_URL};
	peer->port_setting = (struct env_setting){.name = peer->port_variable, .min = 1, .max = 65535};
	env_register(&peer->url_setting);
	env_register(&peer->port_setting);
}

static void split_base(struct peer *peer)
{
	const char *host = strstr(peer->base, "://");
	bool tls = ascii_same_start(peer->base, "https:", 6);

	peer->scheme = tls ? "https" : "http";
	host = host ? host + 3 : peer->base;
	size_t authority_len = strcspn(host, "/?#");
	const char *at = memrchr(host, '@', authority_len); /* no user and password */
	if (at)
		host = at + 1;
	bool bracketed = *host == '[';
	host += bracketed;
	size_t len = strcspn(host, bracketed ? "]" : ":/?#");
	snprintf(peer->address, sizeof(peer->address), "%.*s", (int)len, host);
	const char *colon = host + len + bracketed;
	peer->port = *colon == ':' ? (int)strtol(colon + 1, NULL, 10) : tls ? 443 : 80;
}

bool peer_locate(struct peer *peer)
{
	const char *url = env_string(peer->url_variable, NULL), *port = env_string(peer->port_variable, NULL);

	if (!url && !port)
		return false;
	snprintf(peer->base, sizeof(peer->base), url ? "%s" : "http://127.0.0.1:%s", url ? url : port);
	for (size_t end = strlen(peer->base); end && peer->base[end - 1] == '/'; end--)
		peer->base[end - 1] = '\0';
	split_base(peer);
	return true;
}
