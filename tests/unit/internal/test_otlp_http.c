/* SPDX-License-Identifier: MIT */
/* What one request to a collector comes to, by what the collector does. */
#include "cmocka_all.h"

#include <curl/curl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <semaphore.h>
#include <time.h>
#include <unistd.h>

#include "base/thread.h"
#include "collector.h"
#include "tel/src/otlp_http.h"
#include "tel/src/settings.h"
#include "tel/tel.h"
#include "virtual_clock.h"

static struct exporter_settings settings;
static struct otlp_http *http;
static struct otlp_result result;

static const char body[] = "";

static int begin(void **state)
{
	(void)state;
	virtual_server_hangs = &collector.hangs;
	virtual_begin();
	collector_reserve();
	settings = (struct exporter_settings){.timeout_ms = 20000, .url = collector.url};
	http = NULL;
	return 0;
}

static int end(void **state)
{
	(void)state;
	otlp_http_free(http);
	collector_stop();
	virtual_end();
	return 0;
}

/* Returns the milliseconds that it took. */
static uint64_t post(void)
{
	uint64_t begin_ns = clock_monotonic_ns();

	if (!http)
		http = otlp_http_new(&settings);
	assert_non_null(http);
	otlp_http_post(http, body, 0, &result);
	return (clock_monotonic_ns() - begin_ns) / VIRTUAL_MS;
}

/* ---- answers ---- */

#define WITH_BODY(status, type, bytes, text)                                                                           \
	SAY("HTTP/1.1 " status "\r\nContent-Type: " type "\r\nContent-Length: " bytes "\r\n\r\n" text)
#define PROTOBUF "application/x-protobuf"

static const struct {
	struct step step;
	enum otlp_outcome outcome;
	enum export_error error;
	long status;
	const char *message; /* or its beginning */
} cases[] = {
	{OK_EMPTY, OTLP_ACCEPTED, EXPORT_OK, 200, ""},
	{STATUS("202 Accepted"), OTLP_ACCEPTED, EXPORT_OK, 202, ""},
	{SAY("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), OTLP_ACCEPTED, EXPORT_OK,
	 200, ""},
	{WITH_BODY("200 OK", PROTOBUF, "11", "\x0a\x09\x08\x02\x12\x05hello"), OTLP_ACCEPTED, EXPORT_OK, 200, "hello"},
	{WITH_BODY("200 OK", "text/html", "6", "<html>"), OTLP_ACCEPTED, EXPORT_OK, 200, "the answer is not OTLP"},
	{STATUS("400 Bad Request"), OTLP_REFUSED, EXPORT_4XX, 400, ""},
	{WITH_BODY("400 Bad Request", PROTOBUF, "7",
		   "\x08\x03\x12\x03"
		   "bad"),
	 OTLP_REFUSED, EXPORT_4XX, 400, "bad"},
	{WITH_BODY("400 Bad Request", "text/plain", "7",
		   "\x08\x03\x12\x03"
		   "bad"),
	 OTLP_REFUSED, EXPORT_4XX, 400, ""},
	{STATUS("401 Unauthorized"), OTLP_REFUSED, EXPORT_4XX, 401, ""},
	{STATUS("404 Not Found"), OTLP_REFUSED, EXPORT_4XX, 404, ""},
	{STATUS("413 Content Too Large"), OTLP_REFUSED, EXPORT_4XX, 413, ""},
	{STATUS("500 Internal Server Error"), OTLP_REFUSED, EXPORT_5XX, 500, ""},
	{STATUS("501 Not Implemented"), OTLP_REFUSED, EXPORT_5XX, 501, ""},
	{STATUS("429 Too Many Requests"), OTLP_BUSY, EXPORT_4XX, 429, ""},
	{STATUS("502 Bad Gateway"), OTLP_BUSY, EXPORT_5XX, 502, ""},
	{STATUS("503 Service Unavailable"), OTLP_BUSY, EXPORT_5XX, 503, ""},
	{STATUS("504 Gateway Timeout"), OTLP_BUSY, EXPORT_5XX, 504, ""},
	{SAY("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"), OTLP_REFUSED, EXPORT_PROTOCOL, 302, ""},
	/* the status line is the answer, though the rest is missing */
	{SAY("HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\nx"), OTLP_ACCEPTED, EXPORT_OK, 200, ""},
	{SAY("HTTP/1.1 503 Busy\r\nContent-Length: 10\r\nConnection: close\r\n\r\n"), OTLP_BUSY, EXPORT_5XX, 503, ""},
	/* no answer */
	{{RESET, NULL, 0}, OTLP_UNREACHABLE, EXPORT_CONNECTION, 0, ""},
	{{CLOSE, NULL, 0}, OTLP_UNREACHABLE, EXPORT_CONNECTION, 0, ""},
	{SAY("SSH-2.0-OpenSSH_9.2\r\nConnection: close\r\n\r\n"), OTLP_UNKNOWN, EXPORT_PROTOCOL, 0, ""},
	{SAY("\0\0\0\0\0\0\0\0\0\0\0\0 Connection: close"), OTLP_UNKNOWN, EXPORT_PROTOCOL, 0, ""},
};

static void answers_have_outcomes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin(NULL);
		collector_serve(&cases[i].step, 1);
		post();
		if (result.outcome != cases[i].outcome || result.error != cases[i].error ||
		    result.status != cases[i].status ||
		    strncmp(result.answer.message, cases[i].message, strlen(cases[i].message)) != 0)
			fail_msg("case %zu \"%.30s\": outcome %d error %d status %ld \"%s\"", i, cases[i].step.answer,
				 result.outcome, result.error, result.status, result.answer.message);
		if (cases[i].outcome != OTLP_ACCEPTED && !cases[i].status)
			assert_string_not_equal(result.answer.message, "");
		end(NULL);
	}
	begin(NULL);
}

static void partial_success_is_read(void **state)
{
	static const struct step step = WITH_BODY("200 OK", PROTOBUF, "4", "\x0a\x02\x08\x05");

	(void)state;
	collector_serve(&step, 1);
	post();
	assert_int_equal(result.answer.rejected, 5);
}

static void nothing_listens(void **state)
{
	(void)state;
	post();
	assert_int_equal(result.outcome, OTLP_UNREACHABLE);
	assert_int_equal(result.error, EXPORT_CONNECTION);
	assert_string_not_equal(result.answer.message, "");
}

static void retry_after_in_seconds_or_as_a_date(void **state)
{
	static struct step step;
	static char text[256];
	static const struct {
		const char *value;
		unsigned least_ms, most_ms;
	} values[] = {
		{"7", 7000, 7000}, {"0", 0, 0},  {"99999", 300000, 300000},
		{"soon", 0, 0},    {"-5", 0, 0}, {NULL, 55000, 60000},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		char date[64];
		time_t in_a_minute = time(NULL) + 60;
		struct tm tm;
		gmtime_r(&in_a_minute, &tm);
		strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
		snprintf(text, sizeof(text), "HTTP/1.1 429 Slow\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n",
			 values[i].value ? values[i].value : date);
		step = (struct step){ANSWER, text, strlen(text)};
		begin(NULL);
		collector_serve(&step, 1);
		post();
		assert_int_equal(result.outcome, OTLP_BUSY);
		assert_in_range(result.retry_after_ms, values[i].least_ms, values[i].most_ms);
		end(NULL);
	}
	begin(NULL);
}

static void large_answers_are_read_past(void **state)
{
	static struct step step;
	static char text[(3 << 20) + 100];
	const size_t bytes = 3 << 20;

	(void)state;
	int head = sprintf(text, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", bytes);
	memset(text + head, 'x', bytes);
	step = (struct step){ANSWER, text, (size_t)head + bytes};
	collector_serve(&step, 1);
	post();
	assert_int_equal(result.outcome, OTLP_ACCEPTED);
	post();
	assert_int_equal(result.outcome, OTLP_ACCEPTED);
	assert_int_equal(SEEN(connections), 1);
}

/* ---- requests ---- */

static void the_request_is_otlp(void **state)
{
	static const struct step step = OK_EMPTY;

	(void)state;
	settings.headers[0] = (struct pair){"api-key", "a b"};
	settings.headers[1] = (struct pair){"empty", ""};
	settings.header_count = 2;
	collector_serve(&step, 1);
	http = otlp_http_new(&settings);
	otlp_http_post(http, "\x0a\x00", 2, &result);
	post();
	assert_int_equal(result.outcome, OTLP_ACCEPTED);
	assert_int_equal(SEEN(connections), 1); /* kept */
	const char *head = collector.request[0].head;
	assert_memory_equal(head, "POST / HTTP/1.1\r\n", 17);
	assert_non_null(strstr(head, "\r\nContent-Type: application/x-protobuf\r\n"));
	assert_non_null(strstr(head, "\r\nUser-Agent: OTel-OTLP-Exporter-C/" TEL_VERSION "\r\n"));
	assert_non_null(strstr(head, "\r\napi-key: a b\r\n"));
	assert_non_null(strstr(head, "\r\nempty:\r\n"));
	assert_null(strstr(head, "Expect"));
	assert_null(strstr(head, "Content-Encoding"));
	assert_int_equal(collector.request[0].bytes, 2);
	assert_memory_equal(collector.request[0].body, "\x0a\x00", 2);
}

static void gzip_shrinks_the_body(void **state)
{
	static const struct step step = OK_EMPTY;
	static char spans[100000];

	(void)state;
	/* a message of empty fields 1, which the collector reads as no span */
	for (size_t i = 0; i < sizeof(spans); i += 2)
		spans[i] = 0x0a;
	settings.gzip = true;
	collector_serve(&step, 1);
	http = otlp_http_new(&settings);
	for (int i = 0; i < 3; i++) {
		otlp_http_post(http, spans, sizeof(spans), &result);
		assert_int_equal(result.outcome, OTLP_ACCEPTED);
		assert_non_null(strstr(collector.request[i].head, "\r\nContent-Encoding: gzip\r\n"));
		assert_in_range(collector.request[i].bytes, 20, 2000);
	}
}

/* ---- time ---- */

static void no_answer_in_time_is_unknown(void **state)
{
	static const struct step step = {HANG, NULL, 0};

	(void)state;
	settings.timeout_ms = 1500;
	collector_serve(&step, 1);
	assert_in_range(post(), 1500, 1501);
	assert_int_equal(result.outcome, OTLP_UNKNOWN);
	assert_int_equal(result.error, EXPORT_TIMEOUT);
	assert_int_equal(SEEN(requests), 1);
}

static void no_connection_in_time_is_unreachable(void **state)
{
	static const atomic_bool nobody_answers = true;
	int fds[64], count = 0;

	(void)state;
	virtual_server_hangs = &nobody_answers;
	/* a full backlog answers no SYN */
	assert_int_equal(listen(collector.listener, 0), 0);
	struct sockaddr_in address;
	socklen_t size = sizeof(address);
	getsockname(collector.listener, (struct sockaddr *)&address, &size);
	while (count < 64) {
		fds[count] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(fds[count++], (struct sockaddr *)&address, size);
	}
	nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
	settings.timeout_ms = 200;
	assert_in_range(post(), 200, 201);
	assert_int_equal(result.outcome, OTLP_UNREACHABLE);
	assert_int_equal(result.error, EXPORT_TIMEOUT);
	while (count)
		close(fds[--count]);
}

static void stop_after_a_while(void *unused)
{
	(void)unused;
	clock_sleep_until(clock_monotonic_ns() + VIRTUAL_SECOND);
	otlp_http_stop(http, 100);
}

static void another_thread_can_end_it(void **state)
{
	static const struct step step = {HANG, NULL, 0};
	struct thread other = THREAD_INITIALIZER;

	(void)state;
	http = otlp_http_new(&settings);
	collector_serve(&step, 1);
	assert_int_equal(thread_start(&other, "other", stop_after_a_while, NULL), 0);
	assert_in_range(post(), 1100, 1101);
	assert_true(thread_stop(&other, CLOCK_NEVER));
	assert_int_equal(result.outcome, OTLP_UNKNOWN);
	assert_int_equal(post(), 0); /* and none begins later */
	assert_int_equal(result.outcome, OTLP_UNREACHABLE);
	assert_int_equal(SEEN(requests), 1);
}

/* ---- a transport of the program's own ---- */

static struct {
	enum tel_transport_outcome outcome;
	struct tel_response response;
	const char *body;
	bool waits;  /* until it is told to end */
	bool boasts; /* of more bytes than there is room for, and ends no text */
	sem_t waiting;
	unsigned calls, left_ms;
	char seen[512];
} own;

static enum tel_transport_outcome send_own(void *arg, const struct tel_request *request, struct tel_response *response)
{
	assert_ptr_equal(arg, &own);
	own.calls++;
	own.left_ms = tel_request_left_ms(request);
	int length = snprintf(own.seen, sizeof(own.seen), "%s %zu", request->url, request->bytes);
	for (size_t i = 0; i < request->header_count; i++)
		length += snprintf(own.seen + length, sizeof(own.seen) - (size_t)length, " %s=%s",
				   request->headers[i].name, request->headers[i].value);
	if (own.waits) {
		assert_int_equal(poll(&(struct pollfd){.fd = request->stop_fd, .events = POLLIN}, 1, 0), 0);
		sem_post(&own.waiting);
		while (poll(&(struct pollfd){.fd = request->stop_fd, .events = POLLIN}, 1, -1) != 1)
			;
		own.left_ms = tel_request_left_ms(request);
	}
	assert_int_equal(response->status + response->bytes + response->retry_after_seconds, 0);
	own.response.body = response->body;
	own.response.size = response->size;
	*response = own.response;
	if (own.boasts) {
		memset(response->body, '<', response->size); /* no protobuf */
		memset(response->content_type, 'x', sizeof(response->content_type));
		memset(response->error, 'x', sizeof(response->error));
		response->bytes = response->size + 1;
	}
	if (own.body) {
		response->bytes = strlen(own.body);
		memcpy(response->body, own.body, response->bytes);
	}
	return own.outcome;
}

static void bring_own(void)
{
	memset(&own, 0, sizeof(own));
	settings.send = send_own;
	settings.send_arg = &own;
}

static void another_transport_gets_the_request(void **state)
{
	(void)state;
	bring_own();
	own.response.status = 200;
	settings.headers[0] = (struct pair){"api-key", "a b"};
	settings.header_count = 1;
	settings.timeout_ms = 5000;
	http = otlp_http_new(&settings);
	otlp_http_post(http, "12345", 5, &result);
	assert_int_equal(result.outcome, OTLP_ACCEPTED);
	assert_in_range(own.left_ms, 5000, 5001);
	char wanted[256];
	snprintf(wanted, sizeof(wanted),
		 "%s 5 Content-Type=application/x-protobuf User-Agent=OTel-OTLP-Exporter-C/" TEL_VERSION " api-key=a b",
		 collector.url);
	assert_string_equal(own.seen, wanted);
	otlp_http_free(http);

	settings.gzip = true;
	http = otlp_http_new(&settings);
	otlp_http_post(http, "12345", 5, &result);
	assert_non_null(strstr(own.seen, " Content-Encoding=gzip"));
}

static void outcomes_of_another_transport(void **state)
{
	static const struct {
		enum tel_transport_outcome outcome;
		long status;
		unsigned retry_after;
		const char *type, *body;
		enum otlp_outcome wanted;
		enum export_error error;
		const char *message;
	} answers[] = {
		{TEL_TRANSPORT_ANSWERED, 200, 0, "", NULL, OTLP_ACCEPTED, EXPORT_OK, ""},
		{TEL_TRANSPORT_ANSWERED, 200, 0, "text/html", "<html>", OTLP_ACCEPTED, EXPORT_OK,
		 "the answer is not OTLP"},
		{TEL_TRANSPORT_ANSWERED, 503, 7, "", NULL, OTLP_BUSY, EXPORT_5XX, ""},
		{TEL_TRANSPORT_ANSWERED, 429, UINT_MAX, "", NULL, OTLP_BUSY, EXPORT_4XX, ""},
		{TEL_TRANSPORT_ANSWERED, 400, 0, PROTOBUF, "\x08\x03\x12\x02no", OTLP_REFUSED, EXPORT_4XX, "no"},
		{TEL_TRANSPORT_ANSWERED, 0, 0, "", NULL, OTLP_UNKNOWN, EXPORT_PROTOCOL, "why"},
		{TEL_TRANSPORT_ANSWERED, 100, 0, "", NULL, OTLP_UNKNOWN, EXPORT_PROTOCOL, "why"},
		{TEL_TRANSPORT_UNREACHABLE, 0, 0, "", NULL, OTLP_UNREACHABLE, EXPORT_CONNECTION, "why"},
		{TEL_TRANSPORT_NOT_IN_TIME, 0, 0, "", NULL, OTLP_UNREACHABLE, EXPORT_TIMEOUT, "why"},
		{TEL_TRANSPORT_NO_ANSWER, 0, 0, "", NULL, OTLP_UNKNOWN, EXPORT_TIMEOUT, "why"},
		{TEL_TRANSPORT_NOT_HTTP, 0, 0, "", NULL, OTLP_UNKNOWN, EXPORT_PROTOCOL, "why"},
	};

	(void)state;
	bring_own();
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		own.outcome = answers[i].outcome;
		own.body = answers[i].body;
		own.response = (struct tel_response){
			.status = answers[i].status, .retry_after_seconds = answers[i].retry_after, .error = "why"};
		strcpy(own.response.content_type, answers[i].type);
		post();
		assert_int_equal(result.outcome, answers[i].wanted);
		assert_int_equal(result.error, answers[i].error);
		assert_string_equal(result.answer.message, answers[i].message);
		unsigned seconds = answers[i].retry_after < 300 ? answers[i].retry_after : 300;
		assert_int_equal(result.retry_after_ms, 1000 * seconds);
		assert_int_equal(result.status, answers[i].status >= 200 ? answers[i].status : 0);
	}
}

/* What it says too much is cut; without that AddressSanitizer ends the test. */
static void another_transport_may_overdo_it(void **state)
{
	(void)state;
	bring_own();
	own.boasts = true;
	own.response.status = 200;
	post();
	assert_int_equal(result.outcome, OTLP_ACCEPTED);
	assert_string_equal(result.answer.message, "the answer is not OTLP");
	own.outcome = TEL_TRANSPORT_UNREACHABLE;
	post();
	assert_int_equal(result.outcome, OTLP_UNREACHABLE);
	assert_int_equal(strlen(result.answer.message), OTLP_MESSAGE_SIZE - 1);
	assert_int_equal(tel_request_left_ms(NULL), 0);
}

static void stop_when_it_waits(void *unused)
{
	(void)unused;
	sem_wait(&own.waiting);
	otlp_http_stop(http, 100);
}

static void another_transport_is_told_to_end(void **state)
{
	struct thread other = THREAD_INITIALIZER;

	(void)state;
	virtual_end(); /* poll() waits in real time */
	bring_own();
	sem_init(&own.waiting, 0, 0);
	own.waits = true;
	own.outcome = TEL_TRANSPORT_NO_ANSWER;
	http = otlp_http_new(&settings);
	assert_int_equal(thread_start(&other, "other", stop_when_it_waits, NULL), 0);
	post();
	assert_true(thread_stop(&other, CLOCK_NEVER));
	assert_in_range(own.left_ms, 0, 101);
	assert_int_equal(result.outcome, OTLP_UNKNOWN);
}

static int init_curl(void **state)
{
	(void)state;
	return (int)curl_global_init(CURL_GLOBAL_DEFAULT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(answers_have_outcomes),
		TEST(partial_success_is_read),
		TEST(nothing_listens),
		TEST(retry_after_in_seconds_or_as_a_date),
		TEST(large_answers_are_read_past),
		TEST(the_request_is_otlp),
		TEST(gzip_shrinks_the_body),
		TEST(no_answer_in_time_is_unknown),
		TEST(no_connection_in_time_is_unreachable),
		TEST(another_thread_can_end_it),
		TEST(another_transport_gets_the_request),
		TEST(outcomes_of_another_transport),
		TEST(another_transport_may_overdo_it),
		TEST(another_transport_is_told_to_end),
	};

	return cmocka_run_group_tests_name("otlp_http", tests, init_curl, NULL);
}
