/* SPDX-License-Identifier: MIT */
/* The handles of libcurl that programs call each other with. */
#ifndef APM_BASE_CURL_HANDLE_H
#define APM_BASE_CURL_HANDLE_H

#include <curl/curl.h>

/*
 * Returns a handle for requests to servers that the settings name, NULL when memory is short. curl_easy_cleanup() frees
 * it. A request may take `timeout_ms`; 0 leaves the limit to the caller. Redirects are not followed.
 */
static inline CURL *curl_handle_new(long timeout_ms)
{
	CURL *curl = curl_easy_init();

	if (!curl)
		return NULL;
	/* libcurl must not end the look-up of a name by SIGALRM, which a program with threads does not survive. */
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	/* libcurl also knows file:, ftp: and more, none of which a mistaken URL may reach. */
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	/* Neighbours are reached directly, whatever http_proxy says in the environment. */
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	/* A container that was replaced has another address at once. */
	curl_easy_setopt(curl, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms);
	return curl;
}

#endif
