/* SPDX-License-Identifier: MIT */
/* The closed sets of names that OpenTelemetry's conventions for HTTP ask for. Every result is a literal, any thread. */
#ifndef APM_SEMCONV_HTTP_NAMES_H
#define APM_SEMCONV_HTTP_NAMES_H

/* Returns the method if it is one of RFC 9110, RFC 5789 (PATCH) and RFC 10008 (QUERY), else "_OTHER": no client can
 * make a metric grow. */
const char *http_method_name(const char *method);

/* Returns what a span's name begins with: the same, but "HTTP" for "_OTHER". */
const char *http_span_name(const char *method);

/* Returns "404" for 404, and "" for a number that is no status (below 100 or above 999). */
const char *http_status_name(int status);

#endif
