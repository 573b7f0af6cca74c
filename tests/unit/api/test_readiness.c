/* SPDX-License-Identifier: MIT */
#include "cmocka_all.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "gateway/readiness.h"
#include "tiny_server.h"

static struct tiny_server users = {.status = 200}, orders = {.status = 200};

static void start(void)
{
	char urls[256];

	tiny_start(&users);
	tiny_start(&orders);
	snprintf(urls, sizeof(urls), " users=http://127.0.0.1:%u/readyz  order-store=http://127.0.0.1:%u/readyz ",
		 users.port, orders.port);
	readiness_start(urls);
}

static void stop(void)
{
	readiness_stop();
	tiny_stop(&users);
	tiny_stop(&orders);
}

static void names_the_service_that_is_not_ready(void **state)
{
	(void)state;
	start();
	assert_null(readiness_missing());
	atomic_store(&orders.status, 503);
	assert_string_equal(readiness_missing(), "order-store service");
	atomic_store(&users.status, 404);
	assert_string_equal(readiness_missing(), "users service");
	atomic_store(&users.status, 200);
	atomic_store(&orders.status, 200);
	assert_null(readiness_missing());

	tiny_stop(&users);
	assert_string_equal(readiness_missing(), "users service");
	tiny_start(&users);
	assert_null(readiness_missing());
	atomic_store(&users.status, TINY_CLOSE);
	assert_string_equal(readiness_missing(), "users service");
	atomic_store(&users.status, 200);
	assert_null(readiness_missing());
	stop();
}

static void waits_for_two_seconds_at_most(void **state)
{
	struct timespec begin, end;

	(void)state;
	start();
	atomic_store(&users.status, TINY_HANG);
	atomic_store(&orders.status, TINY_HANG);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	assert_string_equal(readiness_missing(), "users service");
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_in_range((end.tv_sec - begin.tv_sec) * 1000 + (end.tv_nsec - begin.tv_nsec) / 1000000, 1000,
			2900); /* one after the other would take three */
	stop();
	atomic_store(&users.status, 200);
	atomic_store(&orders.status, 200);
}

static void *ask_often(void *result)
{
	for (int i = 0; i < 50; i++)
		if (readiness_missing())
			*(const char **)result = readiness_missing();
	return NULL;
}

static void many_may_ask_at_once(void **state)
{
	pthread_t threads[4];
	const char *missing[4] = {NULL};

	(void)state;
	start();
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask_often, &missing[i]), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		assert_null(missing[i]);
	}
	stop();
}

/* Takes the place of the C library's, also for libcurl: where every name leads to. */
static const char *address = "127.0.0.1";

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
	struct {
		struct addrinfo info;
		struct sockaddr_in to;
	} *one = calloc(1, sizeof(*one));

	(void)node;
	(void)hints;
	if (!one)
		return EAI_MEMORY;
	one->to = (struct sockaddr_in){.sin_family = AF_INET,
				       .sin_port = htons((uint16_t)atoi(service ? service : "0"))};
	inet_pton(AF_INET, address, &one->to.sin_addr);
	one->info = (struct addrinfo){.ai_family = AF_INET,
				      .ai_socktype = SOCK_STREAM,
				      .ai_addrlen = sizeof(one->to),
				      .ai_addr = (struct sockaddr *)&one->to};
	*found = &one->info;
	return 0;
}

void freeaddrinfo(struct addrinfo *found)
{
	free(found);
}

static void finds_a_service_that_has_moved(void **state)
{
	char url[64];

	(void)state;
	tiny_start(&users);
	snprintf(url, sizeof(url), "http://users.test:%u/readyz", users.port);
	readiness_start(url);
	address = "127.0.0.2"; /* nobody is there */
	assert_non_null(readiness_missing());
	address = "127.0.0.1";
	assert_null(readiness_missing());
	readiness_stop();
	tiny_stop(&users);
}

static void without_services_it_is_ready(void **state)
{
	(void)state;
	readiness_start("");
	assert_null(readiness_missing());
	readiness_stop();
	readiness_start("http://localhost:1/readyz?a=b");
	assert_string_equal(readiness_missing(), "a service");
	readiness_stop();
	readiness_start("::not a URL");
	assert_non_null(readiness_missing());
	readiness_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_the_service_that_is_not_ready),
		cmocka_unit_test(waits_for_two_seconds_at_most),
		cmocka_unit_test(many_may_ask_at_once),
		cmocka_unit_test(finds_a_service_that_has_moved),
		cmocka_unit_test(without_services_it_is_ready),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
