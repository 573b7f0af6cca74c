/* SPDX-License-Identifier: MIT */
#include "gateway/readiness.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/curl_handle.h"
#include "base/env.h"

#define SERVICES_MAX 32
#define NAME_SIZE 64
#define TIME_OUT_MS 1500L

struct service {
	char name[NAME_SIZE];
	CURL *curl;
};

static struct {
	struct service service[SERVICES_MAX];
	size_t count;
	CURLM *multi;
	pthread_mutex_t lock; /* of a round: only one is under way */
	uint64_t began_ns;    /* monotonic; of the last round */
	const char *missing;  /* the result of that round */
} readiness = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- start ---- */

static size_t drop(char *data, size_t size, size_t count, void *user)
{
	(void)data;
	(void)user;
	return size * count;
}

/* Adds the service of NAME=URL, or of a URL alone. */
static void add_service(const char *text)
{
	struct service *service = &readiness.service[readiness.count++];
	const char *url = env_url_of(text);
	int name_len = (int)(url - text) - 1;

	if (name_len > 0)
		snprintf(service->name, NAME_SIZE, "%.*s service", name_len, text);
	else
		snprintf(service->name, NAME_SIZE, "a service");
	service->curl = curl_handle_new(TIME_OUT_MS);
	if (!service->curl)
		abort();
	curl_easy_setopt(service->curl, CURLOPT_URL, url);
	curl_easy_setopt(service->curl, CURLOPT_WRITEFUNCTION, drop);
}

void readiness_start(const char *urls)
{
	char *copy = strdup(urls), *rest = copy;

	readiness.multi = curl_multi_init();
	if (!copy || !readiness.multi)
		abort();
	for (const char *url; (url = strsep(&rest, " ")) && readiness.count < SERVICES_MAX;)
		if (*url)
			add_service(url);
	free(copy);
}

void readiness_stop(void)
{
	for (size_t i = 0; i < readiness.count; i++)
		curl_easy_cleanup(readiness.service[i].curl);
	curl_multi_cleanup(readiness.multi);
	readiness.count = 0;
}

/* ---- a round ---- */

static bool is_ready(const struct service *service)
{
	long status = 0;

	curl_easy_getinfo(service->curl, CURLINFO_RESPONSE_CODE, &status);
	return status == 200;
}

static const char *ask_all(void)
{
	int running = 1;
	const char *missing = NULL;

	for (size_t i = 0; i < readiness.count; i++)
		curl_multi_add_handle(readiness.multi, readiness.service[i].curl);
	/* Every transfer has a time-out, so the loop ends. */
	while (running && curl_multi_perform(readiness.multi, &running) == CURLM_OK && running)
		curl_multi_poll(readiness.multi, NULL, 0, (int)TIME_OUT_MS, NULL);
	for (size_t i = readiness.count; i > 0; i--) {
		const struct service *service = &readiness.service[i - 1];
		curl_multi_remove_handle(readiness.multi, service->curl);
		if (!is_ready(service))
			missing = service->name;
	}
	return missing;
}

const char *readiness_missing(void)
{
	uint64_t arrived_ns = clock_monotonic_ns();

	pthread_mutex_lock(&readiness.lock);
	if (readiness.began_ns <= arrived_ns) { /* Otherwise a round has begun since. */
		readiness.began_ns = clock_monotonic_ns();
		readiness.missing = ask_all();
	}
	const char *missing = readiness.missing;
	pthread_mutex_unlock(&readiness.lock);
	return missing;
}
