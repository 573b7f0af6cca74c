/* SPDX-License-Identifier: MIT */
/*
 * A service that this program calls, and whether it is worth calling: its circuit breaker and its lane (lane.h).
 *
 * Five failures in a row open the circuit: for about a second every call is refused at once. Then it is half open: one
 * call is let through as a try. Any answer closes the circuit, a failure of the try opens it again. State and refusals
 * are metrics: http_client_circuit_state{peer} (0 closed, 1 half open, 2 open), http_client_refused_total{peer,reason}.
 */
#ifndef APM_HTTP_NEIGHBOUR_H
#define APM_HTTP_NEIGHBOUR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json_write.h"
#include "http/lane.h"

/* ---- the circuit: pure, times are monotonic; the caller locks ---- */

enum circuit_state { CIRCUIT_CLOSED, CIRCUIT_HALF_OPEN, CIRCUIT_OPEN };

struct circuit {
	enum circuit_state state;
	unsigned turn;       /* counts the changes of state */
	unsigned failures;   /* in a row, while closed */
	uint64_t open_until; /* monotonic ns, while open */
};

enum call_outcome {
	CALL_ANSWERED,
	CALL_FAILED, /* no answer, or 502, 503 or 504; a 500 is about that request alone */
	CALL_UNKNOWN /* it had too little time, or was not made, and says nothing about the neighbour */
};

/* Returns true if the call may be made. Then circuit_ended is told its outcome and *turn, in which it began. */
bool circuit_allows(struct circuit *circuit, uint64_t now_ns, unsigned *turn);

/* Returns the state to show: a circuit whose pause is over is half open, though nobody has called since. */
enum circuit_state circuit_shows(const struct circuit *circuit, uint64_t now_ns);

/* `pause_ns` is how long the circuit stays open if this opens it. */
void circuit_ended(struct circuit *circuit, unsigned turn, enum call_outcome outcome, uint64_t now_ns,
		   uint64_t pause_ns);

/* ---- the neighbours of this program; any thread ---- */

struct neighbour;
struct peer;

/*
 * The services that this program calls: literals such as "users", a NULL at the end, 8 at most; NULL: none. After
 * tel_init, before env_check.
 */
void neighbours_init(const char *const *names);

/* Reads where they are, after env_check. Returns false if that is not told of one; `problems` names the variables. */
bool neighbours_locate(struct buf *problems);

/* Returns one of these. Another name is a bug, and aborts. */
struct neighbour *neighbour_find(const char *name);

/* Returns where it is. */
const struct peer *neighbour_peer(const struct neighbour *neighbour);

/* A call on its way. */
struct passage {
	bool in_request; /* the thread answers a request, so that the lane counts */
	unsigned turn;   /* of the circuit */
};

enum refusal { CALL_ALLOWED, REFUSED_CIRCUIT, REFUSED_LANE, REFUSED_DEADLINE };

/*
 * Asks for a call. After CALL_ALLOWED neighbour_leave follows, with the same passage, the outcome of the call and how
 * long it took. Refusals are counted.
 */
enum refusal neighbour_enter(struct neighbour *neighbour, struct passage *passage);
void neighbour_leave(struct neighbour *neighbour, const struct passage *passage, enum call_outcome outcome,
		     uint64_t duration_ns);

/* Counts a call that its caller did not make, for lack of time. */
void neighbour_refused(struct neighbour *neighbour, enum refusal refusal);

/* Returns "circuit_open", "lane_full" or "deadline", the error.type of a call that was refused. */
const char *refusal_name(enum refusal refusal);

/* Writes the member `key` with {"users":"closed",…}, for /readyz. Returns false, and writes nothing, without
 * neighbours. */
bool neighbours_write(struct json_writer *json, const char *key);

#endif
