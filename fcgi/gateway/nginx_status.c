/* SPDX-License-Identifier: MIT */
#include "gateway/nginx_status.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/curl_handle.h"
#include "semconv/http_server.h"
#include "tel/tel.h"

#define PAGE_MAX 4096
#define TIME_OUT_MS 500L

TEL_GAUGE(up, "nginx.up", "", "1 when nginx has answered with its status.");
TEL_GAUGE(active, "nginx.connections.active", "{connection}", "Client connections, waiting ones included.");
TEL_GAUGE(reading, "nginx.connections.reading", "{connection}", "Connections whose request header is being read.");
TEL_GAUGE(writing, "nginx.connections.writing", "{connection}", "Connections whose request is being answered.");
TEL_GAUGE(waiting, "nginx.connections.waiting", "{connection}", "Idle connections.");
TEL_COUNTER(accepted, "nginx.connections.accepted", "{connection}",
	    "Client connections accepted since nginx was started.");
TEL_COUNTER(handled, "nginx.connections.handled", "{connection}",
	    "Client connections handled since nginx was started.");
TEL_COUNTER(requests, "nginx.http.requests", "{request}", "Client requests since nginx was started.");

static struct {
	CURL *curl; /* Scrapes, which use it, run one at a time. */
	struct buf page;
} nginx;

/* Reads white space, the label, white space and a number. */
static bool take_number(const char **at, const char *label, unsigned long long *out)
{
	char *end;

	*at += strspn(*at, " \n");
	if (strncmp(*at, label, strlen(label)) != 0)
		return false;
	*at += strlen(label);
	*at += strspn(*at, " \n");
	if (**at < '0' || **at > '9')
		return false;
	*out = strtoull(*at, &end, 10);
	*at = end;
	return true;
}

bool nginx_status_parse(const char *page, struct nginx_status *out)
{
	struct nginx_status s;

	if (!take_number(&page, "Active connections:", &s.active) ||
	    !take_number(&page, "server accepts handled requests", &s.accepted) ||
	    !take_number(&page, "", &s.handled) || !take_number(&page, "", &s.requests) ||
	    !take_number(&page, "Reading:", &s.reading) || !take_number(&page, "Writing:", &s.writing) ||
	    !take_number(&page, "Waiting:", &s.waiting))
		return false;
	*out = s;
	return true;
}

static size_t take(char *data, size_t size, size_t count, void *user)
{
	(void)user;
	buf_add(&nginx.page, data, size * count);
	return nginx.page.failed ? 0 : size * count;
}

static bool fetch(struct nginx_status *out)
{
	long status = 0;

	buf_reset(&nginx.page);
	if (curl_easy_perform(nginx.curl) != CURLE_OK || !nginx.page.data)
		return false;
	curl_easy_getinfo(nginx.curl, CURLINFO_RESPONSE_CODE, &status);
	return status == 200 && nginx_status_parse(nginx.page.data, out);
}

/* Returns the requests of clients: two of those under way are the scrape itself and our own for the page. */
static double served(const struct nginx_status *status)
{
	unsigned long long busy = status->reading + status->writing;
	return busy > 2 ? (double)(busy - 2) : 0;
}

/* The counters start again at 0 when nginx does, which scrapers expect of a counter. */
static void scrape(void)
{
	struct nginx_status status = {0};
	bool is_up = fetch(&status);

	tel_gauge_set(&up, is_up);
	tel_gauge_set(&active, (double)status.active);
	tel_gauge_set(&reading, (double)status.reading);
	tel_gauge_set(&writing, (double)status.writing);
	tel_gauge_set(&waiting, (double)status.waiting);
	http_server_set_active(served(&status));
	if (!is_up)
		return;
	tel_series_set(tel_series(&accepted), (double)status.accepted);
	tel_series_set(tel_series(&handled), (double)status.handled);
	tel_series_set(tel_series(&requests), (double)status.requests);
}

void nginx_status_start(const char *url)
{
	nginx.curl = curl_handle_new(TIME_OUT_MS);
	if (!nginx.curl)
		abort();
	buf_init(&nginx.page, PAGE_MAX);
	curl_easy_setopt(nginx.curl, CURLOPT_URL, url);
	curl_easy_setopt(nginx.curl, CURLOPT_WRITEFUNCTION, take);
	tel_metrics_hook(scrape);
}

void nginx_status_stop(void)
{
	curl_easy_cleanup(nginx.curl);
	buf_done(&nginx.page);
}
