/* SPDX-License-Identifier: MIT */
#include "cmocka_all.h"
#include "metrics_text.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "gateway/nginx_status.h"
#include "tel/tel.h"
#include "tiny_server.h"

static const char page[] = "Active connections: 291 \n"
			   "server accepts handled requests\n"
			   " 16630948 16630940 31070465 \n"
			   "Reading: 6 Writing: 179 Waiting: 106 \n";

static void reads_the_page(void **state)
{
	struct nginx_status s;

	(void)state;
	assert_true(nginx_status_parse(page, &s));
	assert_int_equal(s.active, 291);
	assert_int_equal(s.accepted, 16630948);
	assert_int_equal(s.handled, 16630940);
	assert_int_equal(s.requests, 31070465);
	assert_int_equal(s.reading, 6);
	assert_int_equal(s.writing, 179);
	assert_int_equal(s.waiting, 106);
}

static void refuses_anything_else(void **state)
{
	struct nginx_status s = {.active = 42};
	char cut[sizeof(page)];

	(void)state;
	assert_false(nginx_status_parse("", &s));
	assert_false(nginx_status_parse("<html>404</html>", &s));
	for (size_t bytes = 0; bytes < sizeof(page) - strlen("106 \n") - 1; bytes++) {
		memcpy(cut, page, bytes);
		cut[bytes] = '\0';
		assert_false(nginx_status_parse(cut, &s));
	}
	assert_int_equal(s.active, 42);
}

/* ---- scrapes ---- */

static void assert_exposed(const char *const *samples)
{
	BUF(text, 1 << 20);

	metrics_text(&text, tel_metrics_content_type(NULL));
	for (; *samples; samples++)
		if (!strstr(text.data, *samples))
			fail_msg("no %s in\n%s", *samples, text.data);
}

#define ASSERT_EXPOSED(...) assert_exposed((const char *const[]){__VA_ARGS__, NULL})

static void mirrors_nginx_at_every_scrape(void **state)
{
	static struct tiny_server server = {.status = 200, .body = page};
	static char url[64];

	(void)state;
	tiny_start(&server);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/stub_status", server.port);
	nginx_status_start(url);
	ASSERT_EXPOSED("\nnginx_up 1.0\n", "\nnginx_connections_active 291.0\n", "\nnginx_connections_reading 6.0\n",
		       "\nnginx_connections_writing 179.0\n", "\nnginx_connections_waiting 106.0\n",
		       "\nnginx_connections_accepted_total 16630948.0\n",
		       "\nnginx_connections_handled_total 16630940.0\n", "\nnginx_http_requests_total 31070465.0\n",
		       "\nhttp_server_active_requests 183.0\n"); /* 6 + 179, without the scrape and our own */

	/* nginx was started anew; only the scrape is there */
	tiny_stop(&server);
	server.body =
		"Active connections: 2 \nserver accepts handled requests\n 2 2 2 \nReading: 0 Writing: 2 Waiting: 0 \n";
	tiny_start(&server);
	ASSERT_EXPOSED("\nnginx_up 1.0\n", "\nnginx_http_requests_total 2.0\n", "\nhttp_server_active_requests 0.0\n");

	/* something else answers there; nothing does; it hangs: counters stay as they were */
	atomic_store(&server.status, 404);
	ASSERT_EXPOSED("\nnginx_up 0.0\n", "\nnginx_connections_active 0.0\n", "\nnginx_http_requests_total 2.0\n");
	atomic_store(&server.status, 200);
	ASSERT_EXPOSED("\nnginx_up 1.0\n");
	tiny_stop(&server);
	ASSERT_EXPOSED("\nnginx_up 0.0\n");
	atomic_store(&server.status, TINY_HANG);
	tiny_start(&server);
	ASSERT_EXPOSED("\nnginx_up 0.0\n", "\nnginx_http_requests_total 2.0\n");
	tiny_stop(&server);
	nginx_status_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_the_page),
		cmocka_unit_test(refuses_anything_else),
		cmocka_unit_test(mirrors_nginx_at_every_scrape),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
