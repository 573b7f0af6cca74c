#include "gateway/follower.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "gateway/checkpoint.h"
#include "telemetry/telemetry.h"

#define FIRST_BACKLOG (UINT64_C(1) << 20)
#define DURABLE_NS UINT64_C(1000000000)
#define COMPLAINT_NS UINT64_C(60000000000)

TEL_COUNTER(gaps, "gateway_log_gaps_total",
	    "Times that lines of a rotated or truncated access log were gone before they were read.", "follower");

static void init_tail(struct follower *f, struct log_position *from)
{
	int error = checkpoint_read(f->checkpoint_file, from);

	switch (error) {
	case 0: tail_init(&f->tail, f->log_path, from, 0); return;
	case -ENOENT: tail_init(&f->tail, f->log_path, NULL, FIRST_BACKLOG); return;
	}
	/* Twice is better than never. */
	tail_init(&f->tail, f->log_path, NULL, UINT64_MAX);
	tel_error("the checkpoint cannot be read: the access log is read from its start", tel_str("follower", f->name),
		  tel_str("file", f->checkpoint_file), tel_str("reason", strerror(-error)));
}

int follower_start(struct follower *f, void *(*run)(void *f), struct log_position *from)
{
	*from = (struct log_position){0};
	tel_series_add(tel_series(&gaps, f->name), 0); /* a counter that is there from the start can be watched */
	f->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (f->stop_fd < 0)
		return -errno;
	init_tail(f, from);
	int error = pthread_create(&f->thread, NULL, run, f);
	if (error) {
		tail_done(&f->tail);
		close(f->stop_fd);
	}
	return -error;
}

void follower_stop(struct follower *f, unsigned budget_ms, void (*hurry)(void))
{
	uint64_t end_ns = clock_realtime_ns() + budget_ms * UINT64_C(1000000);
	struct timespec end = {.tv_sec = (time_t)(end_ns / 1000000000), .tv_nsec = (long)(end_ns % 1000000000)};

	(void)eventfd_write(f->stop_fd, 1);
	if (pthread_timedjoin_np(f->thread, NULL, &end) != 0) {
		hurry();
		pthread_join(f->thread, NULL);
	}
	tail_done(&f->tail);
	close(f->stop_fd);
}

bool follower_wait(struct follower *f, unsigned ms)
{
	struct pollfd stop = {.fd = f->stop_fd, .events = POLLIN};

	return poll(&stop, 1, (int)ms) > 0;
}

static void gap(const struct follower *f, const char *message)
{
	tel_series_add(tel_series(&gaps, f->name), 1);
	tel_warn(message, tel_str("follower", f->name), tel_str("file", f->log_path));
}

bool follower_next(struct follower *f, struct tail_line *line)
{
	for (;;) {
		switch (tail_next(&f->tail, line)) {
		case TAIL_LINE: return true;
		case TAIL_IDLE: return false;
		case TAIL_ROTATED:
			tel_info("the rotated access log is read to its end", tel_str("follower", f->name));
			break;
		case TAIL_TRUNCATED: gap(f, "the access log was truncated: it is read from its start"); break;
		case TAIL_LOST: gap(f, "a rotated access log is gone or cannot be read: lines are lost"); break;
		}
	}
}

void follower_save(struct follower *f, const struct log_position *position)
{
	uint64_t now_ns = clock_monotonic_ns();
	bool durable = now_ns - f->saved_ns >= DURABLE_NS;
	int error = checkpoint_write(f->checkpoint_file, position, durable);

	if (error == 0) {
		f->complaint_ns = 0;
		if (durable)
			f->saved_ns = now_ns;
		return;
	}
	if (f->complaint_ns && now_ns - f->complaint_ns < COMPLAINT_NS)
		return;
	f->complaint_ns = now_ns;
	tel_error("the checkpoint cannot be written: after a restart lines are read twice",
		  tel_str("follower", f->name), tel_str("file", f->checkpoint_file),
		  tel_str("reason", strerror(-error)));
}
