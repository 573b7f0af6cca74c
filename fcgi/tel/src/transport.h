/* SPDX-License-Identifier: MIT */
/* HTTP by libcurl: a connection that is kept. Not there with TEL_NO_HTTP. Internal to tel/. */
#ifndef TEL_TRANSPORT_H
#define TEL_TRANSPORT_H

#include <stdbool.h>

#include "tel/tel.h"

struct exporter_settings;
struct transport;

/* Call each once in a process, the first before threads start, the second after they have ended. */
void transport_begin(void);
void transport_end(void);

/* `headers` (see struct tel_request) and `settings` must outlive it. Returns NULL if memory is short or there is no
 * libcurl. */
struct transport *transport_new(const struct exporter_settings *settings, const struct tel_header *headers,
				size_t header_count);
void transport_free(struct transport *t);

/* Closes a forked child's copies of all connections. The transports must not be used any more. */
void transport_in_child(void);

/* Sends as tel_config.send does. For one thread at a time. */
enum tel_transport_outcome transport_send(struct transport *t, const struct tel_request *request,
					  struct tel_response *response);

/* Lets a transport_send ask again how much time is left. Any thread may call. */
void transport_wake(struct transport *t);

#endif
