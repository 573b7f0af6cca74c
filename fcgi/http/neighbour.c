/* SPDX-License-Identifier: MIT */
#include "http/neighbour.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "http/peer.h"
#include "tel/tel.h"

#define NEIGHBOURS_MAX 8
#define FAILURES_MAX 5
#define PAUSE_NS NS_PER_SECOND

TEL_GAUGE(circuit_gauge, "http.client.circuit.state", "",
	  "Whether calls to a service are made: 0 all (closed), 1 one as a try (half open), 2 none (open).", "peer");
TEL_COUNTER(refused_calls, "http.client.refused", "{call}", "Calls to a service that were not made.", "peer", "reason");

/* ---- the circuit ---- */

static void turn_to(struct circuit *circuit, enum circuit_state state)
{
	*circuit = (struct circuit){.state = state, .turn = circuit->turn + 1};
}

bool circuit_allows(struct circuit *circuit, uint64_t now_ns, unsigned *turn)
{
	bool is_try = circuit->state == CIRCUIT_OPEN && now_ns >= circuit->open_until;

	if (is_try)
		turn_to(circuit, CIRCUIT_HALF_OPEN);
	*turn = circuit->turn;
	return is_try || circuit->state == CIRCUIT_CLOSED;
}

enum circuit_state circuit_shows(const struct circuit *circuit, uint64_t now_ns)
{
	if (circuit->state == CIRCUIT_OPEN && now_ns >= circuit->open_until)
		return CIRCUIT_HALF_OPEN;
	return circuit->state;
}

static void open_circuit(struct circuit *circuit, uint64_t until_ns)
{
	turn_to(circuit, CIRCUIT_OPEN);
	circuit->open_until = until_ns;
}

/* An answer counts whenever its call began, a failure only if the state has not changed since. */
void circuit_ended(struct circuit *circuit, unsigned turn, enum call_outcome outcome, uint64_t now_ns,
		   uint64_t pause_ns)
{
	if (outcome == CALL_ANSWERED) {
		if (circuit->state != CIRCUIT_CLOSED)
			turn_to(circuit, CIRCUIT_CLOSED);
		circuit->failures = 0;
	} else if (turn != circuit->turn) {
		return;
	} else if (circuit->state == CIRCUIT_HALF_OPEN) {
		open_circuit(circuit, outcome == CALL_FAILED ? now_ns + pause_ns : now_ns);
	} else if (outcome == CALL_FAILED && ++circuit->failures >= FAILURES_MAX) {
		open_circuit(circuit, now_ns + pause_ns);
	}
}

/* ---- neighbours ---- */

struct neighbour {
	struct peer peer;
	struct circuit circuit;
	struct lane lane;
	struct tel_series *state;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the circuits */
static struct neighbour neighbours[NEIGHBOURS_MAX];
static unsigned neighbour_count;

const char *refusal_name(enum refusal refusal)
{
	static const char *const names[] = {[CALL_ALLOWED] = "",
					    [REFUSED_CIRCUIT] = "circuit_open",
					    [REFUSED_LANE] = "lane_full",
					    [REFUSED_DEADLINE] = "deadline"};
	return names[refusal];
}

/* A pause ends by itself; without a call nothing else would show it. */
static void show_states(void)
{
	pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < neighbour_count; i++)
		tel_series_set(neighbours[i].state, circuit_shows(&neighbours[i].circuit, clock_monotonic_ns()));
	pthread_mutex_unlock(&lock);
}

void neighbours_init(const char *const *names)
{
	for (; names && *names; names++) {
		assert(neighbour_count < NEIGHBOURS_MAX);
		struct neighbour *neighbour = &neighbours[neighbour_count++];

		peer_init(&neighbour->peer, *names);
		lane_open(&neighbour->lane);
		neighbour->state = tel_series(&circuit_gauge, *names);
		for (enum refusal refusal = REFUSED_CIRCUIT; refusal <= REFUSED_DEADLINE; refusal++)
			tel_series(&refused_calls, *names, refusal_name(refusal));
	}
	tel_metrics_hook(show_states);
}

bool neighbours_locate(struct buf *problems)
{
	bool located = true;

	for (unsigned i = 0; i < neighbour_count; i++) {
		const struct peer *peer = &neighbours[i].peer;
		if (peer_locate(&neighbours[i].peer))
			continue;
		buf_addf(problems, "%snothing says where the service %s is: %s is not set, nor %s", located ? "" : "; ",
			 peer->service, peer->port_variable, peer->url_variable);
		located = false;
	}
	return located;
}

struct neighbour *neighbour_find(const char *name)
{
	for (unsigned i = 0; i < neighbour_count; i++)
		if (strcmp(neighbours[i].peer.service, name) == 0)
			return &neighbours[i];
	abort(); /* struct app names the neighbours of a program */
}

const struct peer *neighbour_peer(const struct neighbour *neighbour)
{
	return &neighbour->peer;
}

static void log_change(const struct neighbour *neighbour, enum circuit_state before, enum circuit_state after)
{
	if (after == CIRCUIT_OPEN && before == CIRCUIT_CLOSED)
		tel_warn("a service keeps failing and is asked less", tel_str("peer", neighbour->peer.service));
	else if (after == CIRCUIT_CLOSED && before != CIRCUIT_CLOSED)
		tel_info("a service answers again", tel_str("peer", neighbour->peer.service));
}

/* Pauses vary by a fifth, so that programs which lost a neighbour together do not all return at the same moment. */
static void end_call(struct neighbour *neighbour, unsigned turn, enum call_outcome outcome)
{
	uint64_t pause_ns = PAUSE_NS * 9 / 10 + random_u64() % (PAUSE_NS / 5);

	pthread_mutex_lock(&lock);
	enum circuit_state before = neighbour->circuit.state;
	circuit_ended(&neighbour->circuit, turn, outcome, clock_monotonic_ns(), pause_ns);
	enum circuit_state after = neighbour->circuit.state;
	pthread_mutex_unlock(&lock);
	log_change(neighbour, before, after);
}

static bool begin_call(struct neighbour *neighbour, unsigned *turn)
{
	pthread_mutex_lock(&lock);
	bool allowed = circuit_allows(&neighbour->circuit, clock_monotonic_ns(), turn);
	pthread_mutex_unlock(&lock);
	return allowed;
}

void neighbour_refused(struct neighbour *neighbour, enum refusal refusal)
{
	tel_series_add(tel_series(&refused_calls, neighbour->peer.service, refusal_name(refusal)), 1);
}

enum refusal neighbour_enter(struct neighbour *neighbour, struct passage *passage)
{
	enum refusal refusal = CALL_ALLOWED;

	if (!begin_call(neighbour, &passage->turn)) {
		refusal = REFUSED_CIRCUIT;
	} else if (passage->in_request && !lane_enter(&neighbour->lane)) {
		end_call(neighbour, passage->turn, CALL_UNKNOWN); /* it may have been the try */
		refusal = REFUSED_LANE;
	}
	if (refusal)
		neighbour_refused(neighbour, refusal);
	return refusal;
}

void neighbour_leave(struct neighbour *neighbour, const struct passage *passage, enum call_outcome outcome,
		     uint64_t duration_ns)
{
	if (passage->in_request)
		lane_leave(&neighbour->lane, outcome == CALL_ANSWERED ? duration_ns : 0);
	end_call(neighbour, passage->turn, outcome);
}

bool neighbours_write(struct json_writer *json, const char *key)
{
	static const char *const states[] = {
		[CIRCUIT_CLOSED] = "closed", [CIRCUIT_HALF_OPEN] = "half_open", [CIRCUIT_OPEN] = "open"};

	pthread_mutex_lock(&lock);
	bool some = neighbour_count > 0;
	if (some) {
		json_key(json, key);
		json_begin_object(json);
		for (unsigned i = 0; i < neighbour_count; i++) {
			json_key(json, neighbours[i].peer.service);
			json_text(json, states[circuit_shows(&neighbours[i].circuit, clock_monotonic_ns())]);
		}
		json_end_object(json);
	}
	pthread_mutex_unlock(&lock);
	return some;
}
