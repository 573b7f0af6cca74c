/* SPDX-License-Identifier: MIT */
/* The circuit breaker, and the lane of calls to one neighbour. */
#include "cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "http/lane.h"
#include "http/neighbour.h"
#include "http/peer.h"

#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)

static uint64_t now_ns;
static struct lane *freed_by_wait; /* a wait of a lane frees a place in this one, if any, after 10 ms */

static uint64_t this_now(void)
{
	return now_ns;
}

static bool wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline_ns)
{
	(void)cond;
	if (!freed_by_wait) {
		now_ns = deadline_ns;
		return true;
	}
	now_ns += 10 * MS;
	pthread_mutex_unlock(lock);
	lane_leave(freed_by_wait, 10 * MS);
	pthread_mutex_lock(lock);
	freed_by_wait = NULL;
	return false;
}

static int stand_still(void **state)
{
	(void)state;
	now_ns = 1000 * SECOND;
	freed_by_wait = NULL;
	clock_source.monotonic_ns = this_now;
	clock_source.wait_until = wait_until;
	return 0;
}

/* ---- the circuit ---- */

static unsigned turn; /* of the call that began last */

static bool begins(struct circuit *circuit, uint64_t at_ns)
{
	return circuit_allows(circuit, at_ns, &turn);
}

static void ends(struct circuit *circuit, enum call_outcome outcome)
{
	circuit_ended(circuit, turn, outcome, now_ns, SECOND);
}

static void fail_times(struct circuit *circuit, unsigned times)
{
	for (unsigned i = 0; i < times; i++) {
		assert_true(begins(circuit, now_ns));
		ends(circuit, CALL_FAILED);
	}
}

static void five_failures_in_a_row_open_it(void **state)
{
	struct circuit circuit = {0};

	(void)state;
	fail_times(&circuit, 4);
	ends(&circuit, CALL_ANSWERED);
	fail_times(&circuit, 4);
	assert_int_equal(circuit.state, CIRCUIT_CLOSED);
	ends(&circuit, CALL_UNKNOWN);
	assert_int_equal(circuit.state, CIRCUIT_CLOSED);
	fail_times(&circuit, 1);
	assert_int_equal(circuit.state, CIRCUIT_OPEN);
	assert_false(begins(&circuit, now_ns));
	assert_false(begins(&circuit, now_ns + SECOND - 1));
}

static void failures_of_calls_that_began_together_open_it(void **state)
{
	struct circuit circuit = {0};

	(void)state;
	assert_true(begins(&circuit, now_ns));
	ends(&circuit, CALL_ANSWERED); /* no change: those that are on their way still count */
	for (int i = 0; i < 5; i++)
		ends(&circuit, CALL_FAILED);
	assert_int_equal(circuit.state, CIRCUIT_OPEN);
}

static void one_try_decides(void **state)
{
	struct circuit circuit = {0};

	(void)state;
	fail_times(&circuit, 5);
	now_ns += SECOND;
	assert_true(begins(&circuit, now_ns));
	assert_int_equal(circuit.state, CIRCUIT_HALF_OPEN);
	ends(&circuit, CALL_FAILED);
	assert_int_equal(circuit.state, CIRCUIT_OPEN);
	assert_false(begins(&circuit, now_ns + SECOND - 1));

	now_ns += SECOND;
	assert_true(begins(&circuit, now_ns));
	ends(&circuit, CALL_ANSWERED);
	assert_int_equal(circuit.state, CIRCUIT_CLOSED);
	fail_times(&circuit, 4); /* counted anew */
	assert_int_equal(circuit.state, CIRCUIT_CLOSED);
}

static void an_open_circuit_shows_that_its_pause_is_over(void **state)
{
	struct circuit circuit = {0};

	(void)state;
	assert_int_equal(circuit_shows(&circuit, now_ns), CIRCUIT_CLOSED);
	fail_times(&circuit, 5);
	assert_int_equal(circuit_shows(&circuit, now_ns + SECOND - 1), CIRCUIT_OPEN);
	assert_int_equal(circuit_shows(&circuit, now_ns + SECOND), CIRCUIT_HALF_OPEN);
	assert_int_equal(circuit.state, CIRCUIT_OPEN);  /* looking changes nothing: */
	assert_true(begins(&circuit, now_ns + SECOND)); /* the try is still there */
}

static void a_try_that_says_nothing_is_tried_again_at_once(void **state)
{
	struct circuit circuit = {0};

	(void)state;
	fail_times(&circuit, 5);
	now_ns += SECOND;
	assert_true(begins(&circuit, now_ns));
	ends(&circuit, CALL_UNKNOWN);
	assert_true(begins(&circuit, now_ns));
	assert_false(begins(&circuit, now_ns));
}

static void while_one_tries_no_other_does(void **state)
{
	struct circuit circuit = {0};
	unsigned old;

	(void)state;
	assert_true(circuit_allows(&circuit, now_ns, &old));
	fail_times(&circuit, 5);
	now_ns += SECOND;
	assert_true(begins(&circuit, now_ns));
	assert_false(circuit_allows(&circuit, now_ns, &(unsigned){0}));
	circuit_ended(&circuit, old, CALL_UNKNOWN, now_ns, SECOND); /* it began before the circuit opened */
	circuit_ended(&circuit, old, CALL_FAILED, now_ns, SECOND);
	assert_int_equal(circuit.state, CIRCUIT_HALF_OPEN);
	assert_false(circuit_allows(&circuit, now_ns, &(unsigned){0}));
	ends(&circuit, CALL_ANSWERED);
	circuit_ended(&circuit, old, CALL_FAILED, now_ns, SECOND);
	fail_times(&circuit, 4);
	assert_int_equal(circuit.state, CIRCUIT_CLOSED);
}

static void calls_that_began_before_it_opened(void **state)
{
	struct circuit circuit = {0};

	(void)state;
	fail_times(&circuit, 5);
	now_ns += SECOND / 2;
	ends(&circuit, CALL_FAILED); /* prolongs nothing */
	assert_true(begins(&circuit, now_ns + SECOND / 2));
	circuit = (struct circuit){0};
	fail_times(&circuit, 5);
	ends(&circuit, CALL_ANSWERED);
	assert_true(begins(&circuit, now_ns));
}

/* ---- lanes ---- */

static void use_lanes(unsigned threads, const char *percent)
{
	setenv("CALL_SHARE_PERCENT", percent, 1);
	lanes_init(threads);
}

/* All lanes of this program: every test shares the threads between them. */
static struct lane one, two;

static void open_lanes(void)
{
	static bool opened;

	if (!opened) {
		lane_open(&one);
		lane_open(&two);
	}
	opened = true;
	one.moved_ns = two.moved_ns = one.answer_ns = two.answer_ns = 0;
}

/* Enters until refused; the lane does not move meanwhile. */
static unsigned fill(struct lane *lane)
{
	unsigned entered = 0;

	while (lane_enter(lane))
		entered++;
	return entered;
}

static void empty(struct lane *lane)
{
	while (lane->held)
		lane_leave(lane, 0);
}

static void a_lane_has_its_share_and_some_threads_stay_free(void **state)
{
	static const struct {
		unsigned threads;
		const char *percent;
		unsigned places;
	} cases[] = {{24, "50", 10}, {24, "25", 6}, {24, "100", 10}, {24, "1", 1}, {8, "50", 3},     {64, "50", 28},
		     {3, "50", 1},   {2, "50", 1},  {1, "50", 1},    {3, "1", 1},  {1024, "25", 256}};
	(void)state;
	open_lanes();
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		use_lanes(cases[i].threads, cases[i].percent);
		assert_int_equal(fill(&one), cases[i].places);
		assert_int_equal(fill(&two), cases[i].places); /* whatever hangs in the other */
		empty(&one);
		empty(&two);
		assert_int_equal(fill(&one), cases[i].places); /* all was given back */
		empty(&one);
	}
}

static void a_quick_lane_is_waited_for(void **state)
{
	(void)state;
	open_lanes();
	use_lanes(6, "50"); /* two places */
	assert_true(lane_enter(&one));
	assert_true(lane_enter(&one));
	freed_by_wait = &one;
	uint64_t before_ns = now_ns;
	assert_true(lane_enter(&one));
	assert_int_equal(now_ns - before_ns, 10 * MS);

	/* Nothing comes: what is left of 250 ms after the last answer. */
	assert_false(lane_enter(&one));
	assert_int_equal(now_ns - before_ns, 260 * MS);
	/* And from then on nobody waits. */
	before_ns = now_ns;
	assert_false(lane_enter(&one));
	assert_int_equal(now_ns, before_ns);
	empty(&one);
}

/* 200 callers beyond the two that call: each waits for less than 250 ms after the last answer, and gets its turn. */
static void whoever_waits_for_a_quick_lane_gets_a_place(void **state)
{
	(void)state;
	open_lanes();
	use_lanes(6, "50");
	assert_true(lane_enter(&one));
	assert_true(lane_enter(&one));
	for (int i = 0; i < 200; i++) {
		now_ns += 200 * MS;
		freed_by_wait = &one;
		assert_true(lane_enter(&one));
		assert_int_equal(one.held, 2);
	}
	empty(&one);
}

static void a_slow_lane_is_not_waited_for(void **state)
{
	(void)state;
	open_lanes();
	use_lanes(6, "50");
	for (int i = 0; i < 40; i++) {
		assert_true(lane_enter(&one));
		lane_leave(&one, 200 * MS);
	}
	assert_true(lane_enter(&one));
	assert_true(lane_enter(&one));
	uint64_t before_ns = now_ns;
	assert_false(lane_enter(&one));
	assert_int_equal(now_ns, before_ns);
	empty(&one);
}

static void a_lane_full_of_failures_is_not_waited_for(void **state)
{
	(void)state;
	open_lanes();
	use_lanes(6, "50");
	assert_true(lane_enter(&one));
	assert_true(lane_enter(&one));
	now_ns += SECOND;
	lane_leave(&one, 0);
	assert_true(lane_enter(&one));
	uint64_t before_ns = now_ns;
	assert_false(lane_enter(&one));
	assert_int_equal(now_ns, before_ns);
	lane_leave(&one, MS); /* an answer */
	assert_true(lane_enter(&one));
	assert_false(lane_enter(&one));
	assert_int_equal(now_ns - before_ns, 250 * MS);
	empty(&one);
}

static void fail_in_background(struct neighbour *neighbour, unsigned times)
{
	struct passage background = {.in_request = false};

	for (unsigned i = 0; i < times; i++) {
		assert_int_equal(neighbour_enter(neighbour, &background), CALL_ALLOWED);
		neighbour_leave(neighbour, &background, CALL_FAILED, 0);
	}
}

static void a_refused_lane_gives_the_try_back(void **state)
{
	struct passage of_slow = {.in_request = true}, of_dead = of_slow, another = of_slow;
	struct passage background = {.in_request = false};

	(void)state;
	neighbours_init((const char *const[]){"slow", "dead", NULL});
	struct neighbour *slow = neighbour_find("slow"), *dead = neighbour_find("dead");
	use_lanes(4, "1"); /* one place in each lane */
	assert_ptr_equal(neighbour_find("slow"), slow);
	assert_ptr_not_equal(slow, dead);
	fail_in_background(dead, 5);
	assert_int_equal(neighbour_enter(dead, &another), REFUSED_CIRCUIT);
	assert_int_equal(neighbour_enter(slow, &of_slow), CALL_ALLOWED);
	now_ns += 2 * SECOND;
	assert_int_equal(neighbour_enter(slow, &another), REFUSED_LANE);
	assert_int_equal(neighbour_enter(slow, &background), CALL_ALLOWED); /* it has threads of its own */
	neighbour_leave(slow, &background, CALL_ANSWERED, MS);

	/* The other is half open by now. With its lane full, by a call that began while it was closed, it opens once
	 * more: the try that meets the full lane is not lost by that. */
	assert_int_equal(neighbour_enter(dead, &background), CALL_ALLOWED);
	neighbour_leave(dead, &background, CALL_ANSWERED, 0);
	assert_int_equal(neighbour_enter(dead, &of_dead), CALL_ALLOWED);
	fail_in_background(dead, 5);
	now_ns += 2 * SECOND;
	assert_int_equal(neighbour_enter(dead, &another), REFUSED_LANE);
	assert_int_equal(neighbour_enter(dead, &background), CALL_ALLOWED);
	assert_int_equal(neighbour_enter(dead, &(struct passage){.in_request = false}), REFUSED_CIRCUIT);
	neighbour_leave(dead, &background, CALL_ANSWERED, MS);
	neighbour_leave(dead, &of_dead, CALL_ANSWERED, MS);
	neighbour_leave(slow, &of_slow, CALL_ANSWERED, MS);
	assert_int_equal(neighbour_enter(dead, &another), CALL_ALLOWED);
	neighbour_leave(dead, &another, CALL_ANSWERED, MS);
}

static void a_neighbour_is_where_the_environment_says(void **state)
{
	static struct peer peer;

	(void)state;
	peer_init(&peer, "fast-mail");
	assert_false(peer_locate(&peer));
	setenv("FAST_MAIL_PORT", "8083", 1);
	assert_true(peer_locate(&peer));
	assert_string_equal(peer.base, "http://127.0.0.1:8083");
	assert_string_equal(peer.address, "127.0.0.1");
	assert_int_equal(peer.port, 8083);
	setenv("FAST_MAIL_URL", "https://u:p@[::1]/", 1);
	assert_true(peer_locate(&peer));
	assert_string_equal(peer.base, "https://u:p@[::1]");
	assert_string_equal(peer.address, "::1");
	assert_int_equal(peer.port, 443);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(five_failures_in_a_row_open_it, stand_still),
		cmocka_unit_test_setup(failures_of_calls_that_began_together_open_it, stand_still),
		cmocka_unit_test_setup(one_try_decides, stand_still),
		cmocka_unit_test_setup(an_open_circuit_shows_that_its_pause_is_over, stand_still),
		cmocka_unit_test_setup(a_try_that_says_nothing_is_tried_again_at_once, stand_still),
		cmocka_unit_test_setup(while_one_tries_no_other_does, stand_still),
		cmocka_unit_test_setup(calls_that_began_before_it_opened, stand_still),
		cmocka_unit_test_setup(a_lane_has_its_share_and_some_threads_stay_free, stand_still),
		cmocka_unit_test_setup(a_quick_lane_is_waited_for, stand_still),
		cmocka_unit_test_setup(whoever_waits_for_a_quick_lane_gets_a_place, stand_still),
		cmocka_unit_test_setup(a_slow_lane_is_not_waited_for, stand_still),
		cmocka_unit_test_setup(a_lane_full_of_failures_is_not_waited_for, stand_still),
		cmocka_unit_test_setup(a_refused_lane_gives_the_try_back, stand_still),
		cmocka_unit_test(a_neighbour_is_where_the_environment_says),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
