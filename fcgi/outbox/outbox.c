/* SPDX-License-Identifier: MIT */
/*
 * The relay is one thread that stores how tries ended, hands what is due to the couriers, and sleeps in between.
 * Requests and couriers only tell it (outbox_delivered, outbox_retry); the rows are the truth, so it can be killed at
 * any moment.
 */
#include "outbox/outbox.h"

#include <errno.h>

#include "base/clock.h"
#include "base/random.h"
#include "base/thread.h"
#include "outbox/couriers.h"
#include "outbox/message_table.h"

#define GATHER_NS (NS_PER_SECOND / 2) /* for which outcomes wait for others, to share a commit */
#define PURGE_INTERVAL_NS (3600 * NS_PER_SECOND)
#define PAUSE_NS NS_PER_SECOND /* after an operation on the database has failed */
#define STOP_NS NS_PER_SECOND  /* for which couriers are waited for before their outcomes are stored */
#define BACKOFF_MIN_MS 500
#define BACKOFF_MAX_MS 30000
#define BATCH 64           /* messages that are read at once */
#define STORED_AT_ONCE 512 /* outcomes in one transaction, which holds up requests that store */
#define OUTCOMES_MAX 16384 /* not stored yet; one more is forgotten, and its row is tried again */
#define NEVER UINT64_MAX

static struct relay {
	const struct outbox *outbox;
	struct database *database;
	bool started;

	/* used by the relay's thread alone; times are monotonic and say when something is to be done next */
	struct db_connection *db;
	bool bounded;      /* no stored time is from the future any more */
	uint64_t due_ns;   /* the next try */
	uint64_t purge_ns; /* the next purge */
	uint64_t store_ns; /* nothing before, after a failed operation */
	struct outbox_message batch[BATCH];

	struct thread thread; /* with the lock of the rest */
	bool hungry;          /* the couriers' queue was full and has room again */
	/* A ring: outcome number n is in slot n % OUTCOMES_MAX. remembered <= stored <= told. */
	struct outbox_outcome outcomes[OUTCOMES_MAX];
	uint64_t told;       /* outcomes ever */
	uint64_t stored;     /* of these; only the relay's thread changes it */
	uint64_t remembered; /* `stored` as of the turn before: readers may still see older rows */
	uint64_t first_ns;   /* when the oldest one that is not stored was told */
} relay = {.thread = THREAD_INITIALIZER};

/* Scrapes have a connection of their own, since they run on any thread. */
static pthread_mutex_t scrape_lock = PTHREAD_MUTEX_INITIALIZER;
static struct db_connection *scrape_db;

/* ---- outcomes, as requests and tries tell them ---- */

static struct outbox_outcome *outcome(uint64_t number)
{
	return &relay.outcomes[number % OUTCOMES_MAX];
}

static int64_t backoff_ms(int64_t attempts)
{
	int64_t longest = attempts < 6 ? 2 * BACKOFF_MIN_MS << attempts : BACKOFF_MAX_MS;

	if (longest > BACKOFF_MAX_MS)
		longest = BACKOFF_MAX_MS;
	return longest / 2 + (int64_t)(random_u64() % (uint64_t)(longest / 2 + 1));
}

static void add_outcome(int64_t id, bool delivered, int64_t attempts)
{
	if (relay.told - relay.stored == OUTCOMES_MAX)
		return;
	if (relay.told == relay.stored) {
		relay.first_ns = clock_monotonic_ns();
		thread_wake(&relay.thread);
	}
	*outcome(relay.told++) = (struct outbox_outcome){
		.id = id,
		.delivered = delivered,
		.next_attempt_ms = database_steady_ms(relay.database) + backoff_ms(attempts),
	};
}

static void tell(int64_t id, bool delivered, int64_t attempts)
{
	pthread_mutex_lock(&relay.thread.lock);
	add_outcome(id, delivered, attempts);
	pthread_mutex_unlock(&relay.thread.lock);
}

void outbox_delivered(int64_t id)
{
	tell(id, true, 0);
	couriers_cheer(); /* the receiver lives */
}

void outbox_retry(int64_t id)
{
	tell(id, false, 0);
}

bool outbox_is_delivered(int64_t id)
{
	bool found = false;

	pthread_mutex_lock(&relay.thread.lock);
	uint64_t oldest = relay.told > OUTCOMES_MAX ? relay.told - OUTCOMES_MAX : 0;
	if (oldest < relay.remembered)
		oldest = relay.remembered;
	for (uint64_t n = relay.told; n > oldest && !found; n--)
		found = outcome(n - 1)->id == id && outcome(n - 1)->delivered;
	pthread_mutex_unlock(&relay.thread.lock);
	return found;
}

/* ---- calls from the couriers' threads ---- */

static void courier_told(const struct outbox_message *message, bool delivered)
{
	tell(message->id, delivered, message->attempts);
}

static void couriers_are_hungry(void)
{
	pthread_mutex_lock(&relay.thread.lock);
	relay.hungry = true;
	thread_wake(&relay.thread);
	pthread_mutex_unlock(&relay.thread.lock);
}

/* ---- one turn of the relay's thread; these return false if an operation on the database has failed ---- */

static bool bound_times(void)
{
	if (!relay.bounded)
		relay.bounded = outbox_bound_times(relay.database, BACKOFF_MAX_MS) == DB_OK;
	return relay.bounded;
}

/* Others do not write slots between stored and told, so these are read without the lock. */
static bool store_outcomes(void)
{
	pthread_mutex_lock(&relay.thread.lock);
	uint64_t from = relay.stored, to = relay.told;
	relay.remembered = from;
	pthread_mutex_unlock(&relay.thread.lock);

	while (from < to) {
		size_t slot = from % OUTCOMES_MAX, count = to - from;
		if (count > OUTCOMES_MAX - slot)
			count = OUTCOMES_MAX - slot;
		if (count > STORED_AT_ONCE)
			count = STORED_AT_ONCE;
		if (outbox_record(relay.database, &relay.outcomes[slot], count) != DB_OK)
			return false;
		from += count;
		pthread_mutex_lock(&relay.thread.lock);
		relay.stored = from;
		relay.first_ns = clock_monotonic_ns();
		pthread_mutex_unlock(&relay.thread.lock);
	}
	return true;
}

static bool purge(void)
{
	bool more;

	if (clock_monotonic_ns() < relay.purge_ns)
		return true;
	if (outbox_purge(relay.database, &more) != DB_OK)
		return false;
	relay.purge_ns = clock_monotonic_ns() + (more ? 0 : PURGE_INTERVAL_NS);
	return true;
}

/* Returns true if a courier has the row, or the outcome of its try is not stored yet. */
static bool is_claimed(int64_t id)
{
	bool found = couriers_have(
		id); /* asked first, since a courier tells the outcome before it lets go of the row */

	pthread_mutex_lock(&relay.thread.lock);
	for (uint64_t n = relay.stored; n < relay.told && !found; n++)
		found = outcome(n)->id == id;
	pthread_mutex_unlock(&relay.thread.lock);
	return found;
}

static struct outbox_claims claims(void)
{
	pthread_mutex_lock(&relay.thread.lock);
	size_t unstored = relay.told - relay.stored;
	pthread_mutex_unlock(&relay.thread.lock);
	return (struct outbox_claims){is_claimed, COURIERS_QUEUE + COURIERS + unstored};
}

static bool hand_out(void)
{
	struct outbox_claims claimed = claims();
	size_t room, wanted, count;

	pthread_mutex_lock(&relay.thread.lock);
	bool due = relay.hungry || clock_monotonic_ns() >= relay.due_ns;
	relay.hungry = false;
	pthread_mutex_unlock(&relay.thread.lock);
	while (due && (room = couriers_room()) > 0) {
		wanted = room < BATCH ? room : BATCH;
		if (outbox_due(relay.db, &claimed, relay.batch, wanted, &count) != DB_OK)
			return false;
		for (size_t i = 0; i < count; i++)
			couriers_give(&relay.batch[i]);
		due = count == wanted;
	}
	return true;
}

/* When the queue is full, the couriers will say when to go on. */
static bool look_ahead(void)
{
	struct outbox_claims claimed = claims();
	int64_t wait_ms = INT64_MAX;

	if (couriers_room() > 0 && outbox_next_attempt(relay.db, &claimed, &wait_ms) != DB_OK)
		return false;
	if (wait_ms == INT64_MAX)
		relay.due_ns = NEVER;
	else
		relay.due_ns = clock_monotonic_ns() + (wait_ms > 0 ? (uint64_t)wait_ms * NS_PER_MS : 0);
	return true;
}

/* ---- the thread ---- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* With the lock held. */
static uint64_t next_turn_ns(void)
{
	uint64_t work_ns = earlier(relay.purge_ns, relay.hungry ? 0 : relay.due_ns);

	if (relay.told > relay.stored)
		work_ns = earlier(work_ns, relay.first_ns + GATHER_NS);
	return later(work_ns, relay.store_ns);
}

/* Returns false if the relay is to end. */
static bool wait_for_work(void)
{
	uint64_t turn_ns;

	pthread_mutex_lock(&relay.thread.lock);
	while (!relay.thread.stopping && (turn_ns = next_turn_ns()) > clock_monotonic_ns())
		thread_wait(&relay.thread, turn_ns);
	bool go_on = !relay.thread.stopping;
	pthread_mutex_unlock(&relay.thread.lock);
	return go_on;
}

static void run(void *arg)
{
	(void)arg;
	while (wait_for_work()) {
		bool ok = bound_times() && store_outcomes() && purge() && hand_out() && look_ahead();
		relay.store_ns = ok ? 0 : clock_monotonic_ns() + PAUSE_NS;
	}
	store_outcomes();
}

/* ---- start and stop ---- */

static void on_scrape(void)
{
	int64_t pending, oldest_ms;

	pthread_mutex_lock(&scrape_lock);
	if (scrape_db && outbox_backlog(scrape_db, &pending, &oldest_ms) == DB_OK) {
		pthread_mutex_lock(&relay.thread.lock);
		for (uint64_t n = relay.stored; n < relay.told; n++)
			pending -= outcome(n)->delivered;
		pthread_mutex_unlock(&relay.thread.lock);
		tel_gauge_set(relay.outbox->pending, pending > 0 ? (double)pending : 0);
		tel_gauge_set(relay.outbox->oldest, pending > 0 && oldest_ms > 0 ? (double)oldest_ms / 1000 : 0);
	}
	pthread_mutex_unlock(&scrape_lock);
}

static void init_relay(struct database *database, const struct outbox *outbox)
{
	relay.outbox = outbox;
	relay.database = database;
	relay.bounded = relay.hungry = false;
	relay.due_ns = relay.purge_ns = relay.store_ns = 0; /* everything is due */
	relay.told = relay.stored = relay.remembered = 0;
}

static void close_readers(void)
{
	pthread_mutex_lock(&scrape_lock);
	db_connection_close(scrape_db);
	scrape_db = NULL;
	pthread_mutex_unlock(&scrape_lock);
	db_connection_close(relay.db);
	relay.db = NULL;
}

int outbox_start(struct database *database, const struct outbox *outbox)
{
	const struct couriers_setup setup = {
		.deliver = outbox->deliver,
		.is_delivered = outbox_is_delivered,
		.told = courier_told,
		.hungry = couriers_are_hungry,
		.subject = outbox->subject,
	};

	init_relay(database, outbox);
	relay.db = db_connection_open(database);
	scrape_db = db_connection_open(database);
	int error = relay.db && scrape_db ? couriers_start(&setup) : -EIO;
	if (!error && (error = thread_start(&relay.thread, "relay", run, NULL)) != 0)
		couriers_stop(CLOCK_NEVER);
	if (error) {
		close_readers();
		return error;
	}
	relay.started = true;
	tel_metrics_hook(on_scrape);
	return 0;
}

void outbox_stop(void)
{
	if (!relay.started)
		return;
	bool ended = couriers_stop(clock_monotonic_ns() + STOP_NS);
	thread_stop(&relay.thread, CLOCK_NEVER); /* it stores the outcomes that they have told */
	if (!ended) {
		couriers_stop(CLOCK_NEVER);
		store_outcomes();
	}
	relay.started = false;
	close_readers();
}
