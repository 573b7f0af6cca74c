/* SPDX-License-Identifier: MIT */
/*
 * A client of libcurl whose calls are seen in the trace of the server that it calls: curl_client URL
 *
 * Build: cc curl_client.c $(pkg-config --cflags --libs tel libcurl)
 */
#include "tel.h"

#include <curl/curl.h>
#include <stdio.h>

TEL_HISTOGRAM(duration, "http.client.request.duration", "s", "Duration of HTTP calls.", tel_http_bounds);

/* Adds "name: value" to the headers. An empty value is not sent. Returns false when memory is short. */
static bool add_header(struct curl_slist **headers, const char *name, const char *value)
{
	char line[TEL_BAGGAGE_MAX + 32];

	if (!value || !value[0])
		return true;
	snprintf(line, sizeof(line), "%s: %s", name, value);
	struct curl_slist *longer = curl_slist_append(*headers, line);
	if (longer)
		*headers = longer;
	return longer;
}

/* The attribute error.type of an answer: its status, as text that lives as long as the program. */
static const char *status_text(long status)
{
	switch (status) {
	case 404: return "404";
	case 429: return "429";
	case 500: return "500";
	case 503: return "503";
	default: return "_OTHER"; /* what the semantic conventions have for the rest */
	}
}

static bool get(CURL *curl, const char *url)
{
	TEL_SPAN(span, "GET", TEL_CLIENT);
	tel_span_set(span, tel_lit("http.request.method", "GET"), tel_str("url.full", url));

	/* The callee learns from these headers which span is the parent of its own. */
	struct tel_carrier carrier;
	struct curl_slist *headers = NULL;
	tel_span_inject(span, &carrier);
	if (!add_header(&headers, "traceparent", carrier.traceparent) ||
	    !add_header(&headers, "tracestate", carrier.tracestate) ||
	    !add_header(&headers, "baggage", carrier.baggage))
		tel_warn("the trace is not passed on: no memory");

	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 5000L);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	CURLcode result = curl_easy_perform(curl);
	curl_slist_free_all(headers);

	double seconds = 0;
	curl_easy_getinfo(curl, CURLINFO_TOTAL_TIME, &seconds);
	tel_histogram_record(&duration, seconds);
	if (result != CURLE_OK) {
		tel_span_fail(span, curl_easy_strerror(result)); /* libcurl's texts are literals */
		tel_error("no answer", tel_str("url.full", url), tel_lit("reason", curl_easy_strerror(result)));
		return false;
	}
	long status = 0;
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	tel_span_set(span, tel_int("http.response.status_code", status));
	if (status >= 400)
		tel_span_fail(span, status_text(status));
	tel_info("answer", tel_str("url.full", url), tel_int("http.response.status_code", status));
	return status < 400;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s URL\n", argv[0]);
		return 2;
	}
	curl_global_init(CURL_GLOBAL_DEFAULT); /* before tel_init, whose thread uses libcurl as well */
	if (tel_init(&(struct tel_config){.service_name = "curl-client"}))
		return 1;
	CURL *curl = curl_easy_init();
	bool answered = curl && get(curl, argv[1]);
	curl_easy_cleanup(curl);
	tel_shutdown(5000);
	curl_global_cleanup();
	return !answered;
}
