/* SPDX-License-Identifier: MIT */
#include "semconv/http_server.h"

#include "semconv/http_names.h"

TEL_HISTOGRAM(request_duration, "http.server.request.duration", "s", "Duration of HTTP server requests.",
	      tel_http_bounds, "http.request.method", "http.route", "http.response.status_code");
TEL_GAUGE(active_requests, "http.server.active_requests", "{request}", "HTTP server requests that are being answered.");

void http_server_observe(const char *method, const char *route, int status, double seconds, const struct tel_span *span)
{
	tel_series_record(tel_series(&request_duration, http_method_name(method),
				     route && *route ? route : "_unmatched", http_status_name(status)),
			  seconds, span);
}

void http_server_add_active(double requests)
{
	tel_gauge_add(&active_requests, requests);
}

void http_server_set_active(double requests)
{
	tel_gauge_set(&active_requests, requests);
}
