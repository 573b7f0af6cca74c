/* SPDX-License-Identifier: MIT */
/* The closed sets that the semantic conventions ask for, as literals. */
#ifndef APM_SEMCONV_HTTP_NAMES_H
#define APM_SEMCONV_HTTP_NAMES_H

/* The method when it is one of RFC 9110 and RFC 5789, else "_OTHER": no client can grow a metric. */
const char *method_name(const char *method);

/* "404"; "" for what is no status (below 100 or above 599). */
const char *status_name(int status);

#endif
