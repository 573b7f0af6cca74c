/* SPDX-License-Identifier: MIT */
/* nginx's own numbers, read from its stub_status page at every scrape. */
#ifndef APM_GATEWAY_NGINX_STATUS_H
#define APM_GATEWAY_NGINX_STATUS_H

#include <stdbool.h>

struct nginx_status {
	unsigned long long accepted, handled, requests; /* since nginx was started */
	unsigned long long active, reading, writing, waiting;
};

/* Reads the page of ngx_http_stub_status_module, which is NUL-terminated. Returns false when it is another. Pure. */
bool nginx_status_parse(const char *page, struct nginx_status *out);

/*
 * Mirrors the page at `url` in nginx_connections_*, nginx_http_requests_total and nginx_up, and the requests under way
 * in http_server_active_requests. A scrape waits for the page for half a second at most. Call it before threads start;
 * `url` must outlive the program. Aborts when memory is short.
 */
void nginx_status_start(const char *url);
void nginx_status_stop(void);

#endif
