/* SPDX-License-Identifier: MIT */
#include "tel/src/transport.h"

#ifndef TEL_NO_HTTP

#include <curl/curl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/curl_handle.h"
#include "tel/src/settings.h"

struct transport {
	const struct exporter_settings *settings;
	CURL *easy;
	CURLM *multi;
	struct curl_slist *headers;
	struct tel_response *response; /* of the request under way */
	char error[CURL_ERROR_SIZE];
};

void transport_begin(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

void transport_end(void)
{
	curl_global_cleanup();
}

/* ---- sockets, which a forked child has to close: it has them, too ---- */

#define SOCKETS_MAX 32 /* more are left open there */

static _Atomic int sockets[SOCKETS_MAX]; /* descriptor + 1; 0 if the place is free */

static void replace_socket(int from, int to)
{
	for (size_t i = 0; i < SOCKETS_MAX; i++) {
		int expected = from;
		if (atomic_compare_exchange_strong(&sockets[i], &expected, to))
			return;
	}
}

static curl_socket_t open_socket(void *unused, curlsocktype purpose, struct curl_sockaddr *address)
{
	(void)unused, (void)purpose;
	int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
	if (fd >= 0)
		replace_socket(0, fd + 1);
	return fd;
}

static int close_socket(void *unused, curl_socket_t fd)
{
	(void)unused;
	replace_socket(fd + 1, 0);
	return close(fd);
}

void transport_in_child(void)
{
	for (size_t i = 0; i < SOCKETS_MAX; i++) {
		int fd = atomic_exchange(&sockets[i], 0) - 1;
		if (fd >= 0)
			close(fd);
	}
}

/* ---- life cycle ---- */

static bool add_header_line(struct transport *t, const char *line)
{
	struct curl_slist *list = curl_slist_append(t->headers, line);

	if (list)
		t->headers = list;
	return list;
}

static bool add_header(struct transport *t, const struct tel_header *header)
{
	char *line;

	/* curl's way to send a field without a value */
	if (asprintf(&line, *header->value ? "%s: %s" : "%s;", header->name, header->value) < 0)
		return false;
	bool added = add_header_line(t, line);
	free(line);
	return added;
}

/* Bytes past the limit are not kept: the status line has said what matters. */
static size_t take_answer(char *data, size_t size, size_t count, void *context)
{
	struct tel_response *response = ((struct transport *)context)->response;
	size_t bytes = size * count, room = response->size - response->bytes;
	size_t kept = bytes < room ? bytes : room;

	memcpy(response->body + response->bytes, data, kept);
	response->bytes += kept;
	return bytes;
}

/* Paths of PEM files. A certificate file without a key file holds both. */
static void set_tls(CURL *easy, const struct exporter_settings *settings)
{
	if (settings->certificate) {
		curl_easy_setopt(easy, CURLOPT_CAINFO, settings->certificate);
		curl_easy_setopt(easy, CURLOPT_CAPATH, NULL); /* nor those of the system */
	}
	if (settings->client_certificate)
		curl_easy_setopt(easy, CURLOPT_SSLCERT, settings->client_certificate);
	if (settings->client_key)
		curl_easy_setopt(easy, CURLOPT_SSLKEY, settings->client_key);
}

static void set_options(struct transport *t)
{
	CURL *easy = t->easy;

	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* a resolver that hangs is not waited for */
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, t->headers);
	curl_easy_setopt(easy, CURLOPT_POST, 1L);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->error);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_answer);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
	set_tls(easy, t->settings);
}

struct transport *transport_new(const struct exporter_settings *settings, const struct tel_header *headers,
				size_t header_count)
{
	struct transport *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->settings = settings;
	t->easy = curl_handle_new(0);
	t->multi = curl_multi_init();
	/* without "Expect:" curl asks for leave before it sends a large body */
	bool ready = t->easy && t->multi && add_header_line(t, "Expect:");
	for (size_t i = 0; ready && i < header_count; i++)
		ready = add_header(t, &headers[i]);
	if (!ready) {
		transport_free(t);
		return NULL;
	}
	set_options(t);
	return t;
}

void transport_free(struct transport *t)
{
	if (!t)
		return;
	curl_easy_cleanup(t->easy);
	curl_multi_cleanup(t->multi);
	curl_slist_free_all(t->headers);
	free(t);
}

void transport_wake(struct transport *t)
{
	curl_multi_wakeup(t->multi);
}

/* ---- one request ---- */

static CURLcode finished(struct transport *t)
{
	int left;
	const CURLMsg *message;

	while ((message = curl_multi_info_read(t->multi, &left)))
		if (message->msg == CURLMSG_DONE)
			return message->data.result;
	return CURLE_FAILED_INIT;
}

/* By the multi interface, because another thread can wake it. */
static CURLcode perform(struct transport *t, const struct tel_request *request)
{
	int running = 1;

	if (curl_multi_add_handle(t->multi, t->easy) != CURLM_OK)
		return CURLE_FAILED_INIT;
	for (;;) {
		if (curl_multi_perform(t->multi, &running) != CURLM_OK)
			return CURLE_FAILED_INIT;
		if (!running)
			return finished(t);
		unsigned left_ms = tel_request_left_ms(request);
		if (!left_ms)
			return CURLE_OPERATION_TIMEDOUT;
		curl_multi_poll(t->multi, NULL, 0, left_ms < 60000 ? (int)left_ms : 60000, NULL);
	}
}

/*
 * OTLP asks to repeat what was answered by a closed connection. After a time-out it leaves the choice open: the request
 * may well have been taken, so only one that was never sent counts as unreachable.
 */
static enum tel_transport_outcome by_failure(struct transport *t, CURLcode code)
{
	curl_off_t sent_us = 0;

	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR: return TEL_TRANSPORT_UNREACHABLE;
	case CURLE_OPERATION_TIMEDOUT:
		curl_easy_getinfo(t->easy, CURLINFO_PRETRANSFER_TIME_T, &sent_us);
		return sent_us ? TEL_TRANSPORT_NO_ANSWER : TEL_TRANSPORT_NOT_IN_TIME;
	default: return TEL_TRANSPORT_NOT_HTTP;
	}
}

static void read_answer(struct transport *t, struct tel_response *response)
{
	const char *type = NULL;
	curl_off_t seconds = 0;

	curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &seconds);
	if (seconds > 0)
		response->retry_after_seconds = seconds < UINT32_MAX ? (unsigned)seconds : UINT32_MAX;
	curl_easy_getinfo(t->easy, CURLINFO_CONTENT_TYPE, &type);
	snprintf(response->content_type, sizeof(response->content_type), "%s", type ? type : "");
}

enum tel_transport_outcome transport_send(struct transport *t, const struct tel_request *request,
					  struct tel_response *response)
{
	enum tel_transport_outcome outcome = TEL_TRANSPORT_ANSWERED;

	t->response = response;
	t->error[0] = '\0';
	curl_easy_setopt(t->easy, CURLOPT_URL, request->url);
	curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, request->body);
	curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->bytes);
	CURLcode code = perform(t, request);

	/* A status line is the answer, whatever becomes of the rest; 1xx is none. */
	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &response->status);
	if (response->status >= 200) {
		read_answer(t, response);
	} else {
		outcome = by_failure(t, code);
		snprintf(response->error, sizeof(response->error), "%s",
			 t->error[0] ? t->error : curl_easy_strerror(code));
	}
	curl_multi_remove_handle(t->multi, t->easy);
	return outcome;
}

#else /* the program brings its own, see tel_config.send */

void transport_begin(void)
{
}

void transport_end(void)
{
}

void transport_in_child(void)
{
}

struct transport *transport_new(const struct exporter_settings *settings, const struct tel_header *headers,
				size_t header_count)
{
	(void)settings, (void)headers, (void)header_count;
	return NULL;
}

void transport_free(struct transport *t)
{
	(void)t;
}

enum tel_transport_outcome transport_send(struct transport *t, const struct tel_request *request,
					  struct tel_response *response)
{
	(void)t, (void)request, (void)response;
	return TEL_TRANSPORT_UNREACHABLE;
}

void transport_wake(struct transport *t)
{
	(void)t;
}

#endif
