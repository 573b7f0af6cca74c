/* SPDX-License-Identifier: MIT */
/* HTTP by libcurl: a connection that is kept. Not there with TEL_NO_HTTP. Internal to tel/. */
#ifndef TEL_TRANSPORT_H
#define TEL_TRANSPORT_H

#include <stdbool.h>

#include "tel/tel.h"

struct exporter_settings;
struct transport;

/* Once in a process, before threads and after them. */
void transport_begin(void);
void transport_end(void);

/* `headers` (see struct tel_request) and `settings` must outlive it. NULL: memory is short, or there is no libcurl. */
struct transport *transport_new(const struct exporter_settings *settings, const struct tel_header *headers,
				size_t header_count);
void transport_free(struct transport *t);

/* In a forked child: closes its copies of all connections. The transports must not be used any more. */
void transport_in_child(void);

/* As tel_config.send. One thread. */
enum tel_transport_outcome transport_send(struct transport *t, const struct tel_request *request,
					  struct tel_response *response);

/* From any thread: lets a transport_send ask again how much time is left. */
void transport_wake(struct transport *t);

#endif
