/* SPDX-License-Identifier: MIT */
#include "outbox/couriers.h"

#include "base/clock.h"
#include "base/thread.h"

#define PAUSE_NS (1200 * NS_PER_MS) /* between tries while the receiver seems dead; a circuit is open for less */
#define PAUSE_AFTER 3               /* failures in a row */

struct courier {
	struct thread thread;
	bool runs;
	int64_t carries; /* the message's row, 0 without one; with the lock */
	struct outbox_message message;
	struct tel_parent parent;
};

static struct {
	struct couriers_setup setup;
	struct courier couriers[COURIERS];

	pthread_mutex_t lock; /* of the rest */
	pthread_cond_t work;
	bool stopping;
	struct outbox_message queue[COURIERS_QUEUE]; /* a ring */
	size_t first, count;
	bool was_full;     /* since `hungry` was called last */
	unsigned busy;     /* couriers with a message */
	unsigned failures; /* of theirs, since the last success of anybody */
	uint64_t pause_ns; /* no try before that time */
} all = {.lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER};

/* With the lock: each looks again for something to do. */
static void wake_all(void)
{
	for (int i = 0; i < COURIERS; i++)
		pthread_cond_signal(&all.work);
}

/* ---- the queue ---- */

size_t couriers_room(void)
{
	pthread_mutex_lock(&all.lock);
	size_t room = COURIERS_QUEUE - all.count;
	pthread_mutex_unlock(&all.lock);
	return room;
}

void couriers_give(const struct outbox_message *message)
{
	pthread_mutex_lock(&all.lock);
	all.queue[(all.first + all.count++) % COURIERS_QUEUE] = *message;
	all.was_full |= all.count == COURIERS_QUEUE;
	pthread_cond_signal(&all.work);
	pthread_mutex_unlock(&all.lock);
}

bool couriers_have(int64_t id)
{
	bool found = false;

	pthread_mutex_lock(&all.lock);
	for (int i = 0; i < COURIERS && !found; i++)
		found = all.couriers[i].carries == id;
	for (size_t i = 0; i < all.count && !found; i++)
		found = all.queue[(all.first + i) % COURIERS_QUEUE].id == id;
	pthread_mutex_unlock(&all.lock);
	return found;
}

/* With the lock. */
static void take(struct courier *c)
{
	c->message = all.queue[all.first];
	c->carries = c->message.id;
	all.first = (all.first + 1) % COURIERS_QUEUE;
	all.count--;
	all.busy++;
}

/* ---- the pace; all with the lock ---- */

static bool may_try(void)
{
	return all.count && (all.failures < PAUSE_AFTER || (!all.busy && clock_monotonic_ns() >= all.pause_ns));
}

static uint64_t next_try_ns(void)
{
	return all.count && !all.busy ? all.pause_ns : CLOCK_NEVER;
}

static void set_pace(bool delivered)
{
	if (delivered) {
		if (all.failures >= PAUSE_AFTER)
			wake_all();
		all.failures = 0;
	} else if (++all.failures >= PAUSE_AFTER) {
		all.pause_ns = clock_monotonic_ns() + PAUSE_NS;
	}
}

void couriers_cheer(void)
{
	pthread_mutex_lock(&all.lock);
	set_pace(true);
	pthread_mutex_unlock(&all.lock);
}

/* ---- a courier ---- */

static void link_request(struct courier *c, struct tel_span *span)
{
	tel_parent_init(&c->parent);
	tel_parent_header(&c->parent, "traceparent", c->message.traceparent);
	tel_parent_end(&c->parent);
	struct tel_context request = tel_parent_context(&c->parent);
	if (tel_context_valid(request))
		tel_span_link(span, request);
}

static bool try_one(struct courier *c)
{
	const struct outbox_message *message = &c->message;
	struct tel_span span;

	tel_span_start_remote(&span, "deliver outbox message", TEL_INTERNAL, NULL);
	link_request(c, &span);
	tel_span_set(&span, tel_int(all.setup.subject, message->subject_id),
		     tel_int("outbox.attempt", message->attempts + 1));
	bool delivered = all.setup.deliver(message);
	if (!delivered) {
		tel_span_fail(&span, "not_delivered");
		tel_warn("message not delivered, will be tried again", tel_int(all.setup.subject, message->subject_id),
			 tel_int("outbox.attempt", message->attempts + 1));
	}
	tel_span_end(&span);
	return delivered;
}

static void carry(struct courier *c)
{
	bool known = all.setup.is_delivered(c->message.id); /* by its request, meanwhile */
	bool delivered = known || try_one(c);

	if (!known)
		all.setup.told(&c->message, delivered);
	pthread_mutex_lock(&all.lock);
	c->carries = 0;
	all.busy--;
	if (!known)
		set_pace(delivered);
	pthread_mutex_unlock(&all.lock);
}

/* Returns false if the courier is to end. */
static bool wait_for_message(struct courier *c, bool *hungry)
{
	pthread_mutex_lock(&all.lock);
	while (!all.stopping && !may_try())
		clock_wait_until(&all.work, &all.lock, next_try_ns());
	bool go_on = !all.stopping;
	if (go_on)
		take(c);
	*hungry = go_on && all.was_full && all.count <= COURIERS_QUEUE / 2;
	all.was_full &= !*hungry;
	pthread_mutex_unlock(&all.lock);
	return go_on;
}

static void run(void *arg)
{
	struct courier *c = arg;
	bool hungry;

	while (wait_for_message(c, &hungry)) {
		if (hungry)
			all.setup.hungry();
		carry(c);
	}
}

/* ---- start and stop ---- */

int couriers_start(const struct couriers_setup *setup)
{
	int error = 0;

	all.setup = *setup;
	all.stopping = all.was_full = false;
	all.first = all.count = 0;
	all.busy = all.failures = 0;
	all.pause_ns = 0;
	for (int i = 0; i < COURIERS && !error; i++) {
		struct courier *c = &all.couriers[i];
		c->thread = (struct thread)THREAD_INITIALIZER;
		c->carries = 0;
		error = thread_start(&c->thread, "courier", run, c);
		c->runs = !error;
	}
	if (error)
		couriers_stop(CLOCK_NEVER);
	return error;
}

bool couriers_stop(uint64_t deadline_ns)
{
	bool ended = true;

	pthread_mutex_lock(&all.lock);
	all.stopping = true;
	all.count = 0;
	wake_all();
	pthread_mutex_unlock(&all.lock);
	for (int i = 0; i < COURIERS; i++) {
		struct courier *c = &all.couriers[i];
		if (c->runs)
			c->runs = !thread_stop(&c->thread, deadline_ns);
		ended &= !c->runs;
	}
	return ended;
}
