/* SPDX-License-Identifier: MIT */
#include "database/watch.h"

#include "database/steady_clock.h"
#include "database/writer.h"

#define LOOK_NS NS_PER_SECOND

static void log_place(const struct vitals *vitals, int place)
{
	char cause[128];

	if (place == PLACE_OK) {
		tel_info("the database is in its place again", tel_str("path", vitals->location->path));
		return;
	}
	struct diagnosis diagnosis = vitals_diagnose_place(vitals, place, cause, sizeof(cause));
	tel_error("the database cannot be used", tel_str("path", vitals->location->path),
		  tel_str("error", diagnosis.cause), tel_str("remedy", diagnosis.remedy));
}

static void log_failure(const struct vitals *vitals, int failure)
{
	if (!failure) {
		tel_info("the database can be written again", tel_str("path", vitals->location->path));
		return;
	}
	struct diagnosis diagnosis = vitals_diagnose_failure(vitals, failure);
	tel_error(diagnosis_is_damage(failure) ? "the database is damaged" : "the database cannot be written",
		  tel_str("path", vitals->location->path), tel_str("error", diagnosis.cause),
		  tel_str("remedy", diagnosis.remedy), tel_int("sqlite.code", failure));
}

/* Waits until there is news or it is time to look. Returns false if the thread is to end. */
static bool wait_for_turn(struct vitals *vitals, bool *news)
{
	struct thread *t = &vitals->watcher;
	uint64_t until_ns = clock_monotonic_ns() + LOOK_NS;

	pthread_mutex_lock(&t->lock);
	while (!t->stopping && !vitals->news && !thread_wait(t, until_ns))
		;
	*news = vitals->news;
	vitals->news = false;
	bool go_on = !t->stopping;
	pthread_mutex_unlock(&t->lock);
	return go_on;
}

static void look_after(struct watch *watch, bool news)
{
	struct vitals *vitals = watch->writer->vitals;

	if (vitals->failed ? !news : vitals_log_lost(vitals)) {
		writer_try(watch->writer);
	} else if (!news) {
		writer_rest(watch->writer);
		if (vitals_in_place(vitals) && !vitals_failure(vitals) && steady_clock_is_due(watch->clock))
			writer_run(watch->writer, steady_clock_keep, watch->clock);
	}
	wal_report(&watch->writer->wal);
}

static void run(void *arg)
{
	struct watch *watch = arg;
	struct vitals *vitals = watch->writer->vitals;
	int logged_place = PLACE_OK, logged_failure = 0;
	bool news;

	while (wait_for_turn(vitals, &news)) {
		vitals_look_at_all(vitals);
		if (vitals->place != logged_place)
			log_place(vitals, logged_place = vitals->place);
		int failure = vitals_failure(vitals);
		if (failure != logged_failure)
			log_failure(vitals, logged_failure = failure);
		look_after(watch, news);
	}
}

int watch_start(struct watch *watch, struct writer *writer, struct steady_clock *clock)
{
	watch->writer = writer;
	watch->clock = clock;
	int error = thread_start(&writer->vitals->watcher, "watch", run, watch);
	watch->started = !error;
	return error;
}

void watch_stop(struct watch *watch)
{
	if (watch->started)
		thread_stop(&watch->writer->vitals->watcher, CLOCK_NEVER);
	watch->started = false;
}
