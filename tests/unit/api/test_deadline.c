/* SPDX-License-Identifier: MIT */
/* How long an answer is of use, whatever is said of it. */
#include "cmocka_all.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "http/deadline.h"

#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)
#define NOW_REAL (UINT64_C(1764408876) * SECOND)
#define NOW (UINT64_C(5000) * SECOND)

static uint64_t now_ns = NOW;

static uint64_t this_now(void)
{
	return now_ns;
}

static int stand_still(void **state)
{
	(void)state;
	now_ns = NOW;
	clock_source.monotonic_ns = this_now;
	return 0;
}

static struct deadline deadline_of(const char *sent_at, const char *wait_ms, const char *caller_ms)
{
	return deadline_read(&(struct deadline_said){.sent_at = sent_at,
						     .wait_ms = wait_ms,
						     .caller_ms = caller_ms,
						     .calls_budget_ns = 3 * SECOND,
						     .realtime_ns = NOW_REAL,
						     .now = NOW,
						     .fd = -1});
}

static uint64_t left_ms(const char *sent_at, const char *wait_ms, const char *caller_ms)
{
	return (deadline_of(sent_at, wait_ms, caller_ms).end_ns - NOW) / MS;
}

static void nginx_waits_and_a_second_is_set_aside(void **state)
{
	(void)state;
	assert_int_equal(left_ms("1764408876.000", "15000", NULL), 14000);
	assert_int_equal(left_ms("1764408873.500", "15000", NULL), 11500);
	assert_int_equal(deadline_of("1764408873.500", "15000", NULL).waited_ns, 2500 * MS);
	assert_int_equal(left_ms("1764408861.000", "15000", NULL), 0);
	assert_int_equal(left_ms("1764408875.75", "2000", NULL), 1250);
}

static void a_caller_shortens_it_only(void **state)
{
	(void)state;
	assert_int_equal(left_ms("1764408876.000", "15000", "2000"), 1500);
	assert_int_equal(left_ms("1764408875.000", "15000", "2000"), 500);
	assert_int_equal(left_ms("1764408873.999", "15000", "2000"), 1500); /* it has not given up: clocks differ */
	assert_int_equal(left_ms("1764408876.000", "15000", "100"), 75);
	assert_int_equal(left_ms("1764408876.000", "15000", "0"), 0);
	assert_int_equal(left_ms("1764408876.000", "15000", "60000"), 14000);
	static const char *const bad[] = {"", "-1", "1e3", "2000 ", "99999999999999999999", "0x10"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(left_ms("1764408876.000", "15000", bad[i]), 14000);
}

static void calls_end_within_their_budget_and_in_time(void **state)
{
	(void)state;
	assert_int_equal(deadline_of("1764408876.000", "15000", NULL).calls_end_ns, NOW + 3 * SECOND);
	assert_int_equal(deadline_of("1764408864.000", "15000", NULL).calls_end_ns, NOW + 2 * SECOND);
}

static void what_is_not_said_or_is_silly_counts_as_just_sent(void **state)
{
	static const char *const silly[] = {"",
					    "now",
					    "-5",
					    ".5",
					    "1764408876.1x",
					    "99999999999999999999",
					    "1764408999.000", /* the clock was set back */
					    "1764408860.999", /* or ahead: nginx would have given up, and has not */
					    "0.000"};

	(void)state;
	assert_int_equal(left_ms(NULL, NULL, NULL), 14000);
	for (size_t i = 0; i < sizeof(silly) / sizeof(*silly); i++)
		assert_int_equal(left_ms(silly[i], "15000", NULL), 14000);
	assert_int_equal(left_ms("1764408876.000", "0", NULL), 14000);
	assert_int_equal(left_ms("1764408876.000", "forever", NULL), 14000);
}

static void time_runs_out(void **state)
{
	struct deadline deadline = deadline_of("1764408876.000", "15000", NULL);

	(void)state;
	assert_int_equal(deadline_at_start(&deadline), IN_TIME);
	now_ns = NOW + 14 * SECOND - 1;
	assert_int_equal(deadline_now(&deadline), IN_TIME);
	now_ns++;
	assert_int_equal(deadline_now(&deadline), LATE_ENDED);
	assert_int_equal(deadline_at_start(&deadline), LATE_ENDED);
}

static void the_queue_has_a_limit_of_its_own(void **state)
{
	struct deadline deadline = deadline_of("1764408868.999", "15000", NULL);

	(void)state;
	assert_int_equal(deadline_at_start(&deadline), LATE_QUEUED);
	assert_int_equal(deadline_now(&deadline), IN_TIME);
	deadline = deadline_of("1764408869.000", "15000", NULL);
	assert_int_equal(deadline_at_start(&deadline), IN_TIME);
}

static void a_closed_connection_is_seen(void **state)
{
	struct deadline deadline = deadline_of(NULL, NULL, NULL);
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	deadline.fd = pair[0];
	assert_int_equal(write(pair[1], "x", 1), 1);
	assert_int_equal(deadline_at_start(&deadline), IN_TIME);
	shutdown(pair[0], SHUT_RD); /* as this side does when it drains */
	assert_int_equal(deadline_at_start(&deadline), IN_TIME);
	close(pair[1]);
	assert_int_equal(deadline_at_start(&deadline), LATE_GONE);
	assert_int_equal(deadline_now(&deadline), LATE_GONE);

	/* Older than nginx waits, and nginx has given up: that is true. */
	struct deadline_said said = {
		.sent_at = "1764408800.000", .wait_ms = "15000", .realtime_ns = NOW_REAL, .now = NOW, .fd = pair[0]};
	assert_int_equal(deadline_read(&said).waited_ns, 76 * SECOND);
	close(pair[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nginx_waits_and_a_second_is_set_aside, stand_still),
		cmocka_unit_test_setup(a_caller_shortens_it_only, stand_still),
		cmocka_unit_test_setup(calls_end_within_their_budget_and_in_time, stand_still),
		cmocka_unit_test_setup(what_is_not_said_or_is_silly_counts_as_just_sent, stand_still),
		cmocka_unit_test_setup(time_runs_out, stand_still),
		cmocka_unit_test_setup(the_queue_has_a_limit_of_its_own, stand_still),
		cmocka_unit_test_setup(a_closed_connection_is_seen, stand_still),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
