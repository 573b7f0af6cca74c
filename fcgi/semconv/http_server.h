/* SPDX-License-Identifier: MIT */
/*
 * The metrics of HTTP servers. The request loop records the requests that it serves, the gateway's program those that
 * nginx has served and that it knows from the access log. Any thread.
 */
#ifndef APM_SEMCONV_HTTP_SERVER_H
#define APM_SEMCONV_HTTP_SERVER_H

#include "tel/tel.h"

/*
 * Records one request in http_server_request_duration_seconds. `route` is a template, NULL or "" when none matched;
 * `status` is 0 when nothing was answered; `span` gives the exemplar, NULL none. Methods and statuses are labelled as
 * http_names.h names them.
 */
void http_server_observe(const char *method, const char *route, int status, double seconds,
			 const struct tel_span *span);

/* http_server_active_requests: adds to it, or sets it. */
void http_server_add_active(double requests);
void http_server_set_active(double requests);

#endif
