/*
 * The relay: one thread that stores how tries ended, tries again what is due, and sleeps in between. Requests only tell
 * it (outbox_delivered, outbox_retry); the rows are the truth, so it can be killed at any moment.
 */
#include <errno.h>

#include "base/clock.h"
#include "base/random.h"
#include "base/thread.h"
#include "store/outbox.h"
#include "store/outbox_rows.h"

#define SECOND_NS UINT64_C(1000000000)
#define GATHER_NS (SECOND_NS / 2) /* outcomes wait as long for others to share their commit */
#define PURGE_INTERVAL_NS (3600 * SECOND_NS)
#define PAUSE_NS SECOND_NS /* between tries while the receiver seems dead; after a store operation failed */
#define PAUSE_AFTER 3      /* failures in a row */
#define BACKOFF_MIN_MS 500
#define BACKOFF_MAX_MS 30000
#define BATCH 16           /* messages that are read at once */
#define OUTCOMES_MAX 16384 /* that are not stored yet: one more is forgotten, and its row tried again */
#define NEVER UINT64_MAX

TEL_GAUGE(pending_gauge, "order_outbox_pending", "Stored messages that the receiver does not have yet.");
TEL_GAUGE(oldest_gauge, "order_outbox_oldest_seconds",
	  "Age of the oldest message that the receiver does not have yet.");

static struct relay {
	struct store *store;
	outbox_deliver *deliver;
	void (*thread_done)(void);
	bool started;

	/* the relay's thread alone; times are monotonic, of what is to be done next */
	struct db *db;
	uint64_t due_ns;   /* the next try */
	uint64_t purge_ns; /* the next purge */
	uint64_t store_ns; /* after a failed store operation: nothing before */
	struct outbox_message batch[BATCH];
	struct tel_parent parent;

	struct thread thread; /* with the lock of the rest */
	unsigned failures;    /* of the relay's tries, since somebody had success */
	uint64_t pause_ns;    /* no try before */
	/* A ring: outcome number n is in slot n % OUTCOMES_MAX. remembered <= stored <= told. */
	struct outbox_outcome outcomes[OUTCOMES_MAX];
	uint64_t told;       /* outcomes ever */
	uint64_t stored;     /* of these; only the relay's thread changes it */
	uint64_t remembered; /* as `stored` was a turn before: readers may still see older rows */
	uint64_t first_ns;   /* when the oldest one that is not stored was told */
} relay = {.thread = THREAD_INITIALIZER};

/* The scrape's own connection: scrapes run on any thread. */
static pthread_mutex_t scrape_lock = PTHREAD_MUTEX_INITIALIZER;
static struct db *scrape_db;

/* ---- what requests and tries tell ---- */

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
		.id = id, .delivered = delivered, .next_attempt_ms = db_now_ms() + backoff_ms(attempts)};
}

static void tell(int64_t id, bool delivered, int64_t attempts)
{
	pthread_mutex_lock(&relay.thread.lock);
	add_outcome(id, delivered, attempts);
	if (delivered) { /* the receiver lives: no need to go easy on it */
		if (relay.failures >= PAUSE_AFTER)
			thread_wake(&relay.thread);
		relay.failures = 0;
		relay.pause_ns = 0;
	}
	pthread_mutex_unlock(&relay.thread.lock);
}

void outbox_delivered(int64_t id)
{
	tell(id, true, 0);
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

/* ---- one turn of the relay's thread; false: a store operation has failed ---- */

/* Slots between stored and told are not written by others, so they are read without the lock. */
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
		if (outbox_record(relay.store, &relay.outcomes[slot], count) != DB_OK)
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
	if (outbox_purge(relay.store, &more) != DB_OK)
		return false;
	relay.purge_ns = clock_monotonic_ns() + (more ? 0 : PURGE_INTERVAL_NS);
	return true;
}

static void count_failure(void)
{
	pthread_mutex_lock(&relay.thread.lock);
	if (++relay.failures >= PAUSE_AFTER)
		relay.pause_ns = clock_monotonic_ns() + PAUSE_NS;
	pthread_mutex_unlock(&relay.thread.lock);
}

static void link_request(struct tel_span *span, const struct outbox_message *message)
{
	tel_parent_init(&relay.parent);
	tel_parent_header(&relay.parent, "traceparent", message->traceparent);
	tel_parent_end(&relay.parent);
	if (relay.parent.valid)
		tel_link(span, relay.parent.trace_id, relay.parent.span_id, relay.parent.flags);
}

static void try_one(const struct outbox_message *message)
{
	struct tel_span span;

	if (outbox_is_delivered(message->id))
		return;
	tel_span_start_remote(&span, "deliver outbox message", TEL_INTERNAL, NULL);
	link_request(&span, message);
	tel_set(&span, tel_int("order.id", message->order_id), tel_int("outbox.attempt", message->attempts + 1));
	bool delivered = relay.deliver(message);
	if (!delivered) {
		tel_span_fail(&span, "not_delivered");
		tel_warn("message not delivered, will be tried again", tel_int("order.id", message->order_id),
			 tel_int("outbox.attempt", message->attempts + 1));
	}
	tel_span_end(&span);
	tell(message->id, delivered, message->attempts);
	if (!delivered)
		count_failure();
}

/* A slow receiver must not keep outcomes from being stored within a second or so. */
static bool may_try(uint64_t started_ns)
{
	uint64_t now_ns = clock_monotonic_ns();

	pthread_mutex_lock(&relay.thread.lock);
	bool may = !relay.thread.stopping && now_ns >= relay.pause_ns && now_ns - started_ns < GATHER_NS;
	pthread_mutex_unlock(&relay.thread.lock);
	return may;
}

static bool try_due(void)
{
	uint64_t now_ns = clock_monotonic_ns();
	size_t count;

	if (now_ns < relay.due_ns || !may_try(now_ns))
		return true;
	if (outbox_due(relay.db, db_now_ms(), relay.batch, BATCH, &count) != DB_OK)
		return false;
	for (size_t i = 0; i < count && may_try(now_ns); i++)
		try_one(&relay.batch[i]);
	return true;
}

static bool look_ahead(void)
{
	int64_t unix_ms, now_ms = db_now_ms();

	if (outbox_next_attempt(relay.db, &unix_ms) != DB_OK)
		return false;
	if (unix_ms == INT64_MAX)
		relay.due_ns = NEVER;
	else
		relay.due_ns = clock_monotonic_ns() + (unix_ms > now_ms ? (uint64_t)(unix_ms - now_ms) * 1000000 : 0);
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
	uint64_t work_ns = earlier(relay.purge_ns, later(relay.due_ns, relay.pause_ns));

	if (relay.told > relay.stored)
		work_ns = earlier(work_ns, relay.first_ns + GATHER_NS);
	return later(work_ns, relay.store_ns);
}

/* False: the relay is to end. */
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
	outbox_limit_waits(relay.store, db_now_ms() + BACKOFF_MAX_MS);
	while (wait_for_work()) {
		bool ok = store_outcomes() && purge() && try_due() && look_ahead();
		relay.store_ns = ok ? 0 : clock_monotonic_ns() + PAUSE_NS;
	}
	store_outcomes();
	if (relay.thread_done)
		relay.thread_done();
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
		tel_gauge_set(&pending_gauge, pending > 0 ? (double)pending : 0);
		tel_gauge_set(&oldest_gauge, pending > 0 && oldest_ms > 0 ? (double)oldest_ms / 1000 : 0);
	}
	pthread_mutex_unlock(&scrape_lock);
}

static void init_relay(struct store *store, outbox_deliver *deliver, void (*thread_done)(void))
{
	relay.store = store;
	relay.deliver = deliver;
	relay.thread_done = thread_done;
	relay.due_ns = relay.purge_ns = relay.store_ns = relay.pause_ns = 0; /* all is to be looked at */
	relay.told = relay.stored = relay.remembered = 0;
	relay.failures = 0;
}

static void close_readers(void)
{
	pthread_mutex_lock(&scrape_lock);
	db_close(scrape_db);
	scrape_db = NULL;
	pthread_mutex_unlock(&scrape_lock);
	db_close(relay.db);
	relay.db = NULL;
}

int outbox_start(struct store *store, outbox_deliver *deliver, void (*thread_done)(void))
{
	init_relay(store, deliver, thread_done);
	relay.db = db_open(store);
	scrape_db = db_open(store);
	int error = relay.db && scrape_db ? thread_start(&relay.thread, "relay", run, NULL) : -EIO;
	if (error) {
		close_readers();
		return error;
	}
	relay.started = true;
	tel_on_scrape(on_scrape);
	return 0;
}

void outbox_stop(void)
{
	if (!relay.started)
		return;
	thread_stop(&relay.thread, CLOCK_NEVER);
	relay.started = false;
	close_readers();
}
