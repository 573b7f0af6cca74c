/* SPDX-License-Identifier: MIT */
#include "tel/src/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/thread.h"
#include "tel/src/complain.h"
#include "tel/tel.h"

#define BUFFER_BYTES (128 << 10)
#define DELAY_NS (50 * NS_PER_MS)         /* a line waits for company at most this long */
#define COMPLAINT_NS (60 * NS_PER_SECOND) /* between two notes on stderr */
#define POLL_MS 1000
#define LOG_MODE 0644

TEL_COUNTER(lines_written, "log.lines.written", "{line}", "Log lines written.");
TEL_COUNTER(lines_dropped, "log.lines.dropped", "{line}", "Log lines lost: the buffer was full or the write failed.");
TEL_COUNTER(write_errors, "log.write_errors", "{error}", "Failed writes to the log.");

struct lines {
	size_t used;
	unsigned count;
	char data[BUFFER_BYTES];
};

static struct lines buffers[2];

/* All under the thread's lock, but for what only the thread touches: log_fd, must_break, last_complaint_ns. */
static struct thread thread = THREAD_INITIALIZER;
static char log_path[PATH_MAX]; /* "": stderr */
static int log_fd = STDERR_FILENO;
static bool log_running; /* a thread empties the buffers; without it whoever holds the lock writes */
static bool abandoned;   /* the thread hung in a write when it was told to stop; what it holds is counted already */
static bool reopen, urgent;
static struct lines *filling = &buffers[0];
static struct lines *writing = &buffers[1];
static _Thread_local bool is_log_thread;
static bool must_break;    /* a pipe or terminal has got half a line */
static atomic_bool shared; /* a forked child has the file as well, or a parent */
static uint64_t last_complaint_ns;

/* ---- the file --------------------------------------------------------------------------------------------------- */

static bool is_regular(int file)
{
	struct stat stat;

	return fstat(file, &stat) == 0 && S_ISREG(stat.st_mode);
}

/*
 * Cuts off the half line that a full disk or a kill has left at the end of a regular file. There is only one writer, so
 * it cannot be a line that is being written. Returns false if that fails; the next line then needs a newline first.
 */
static bool cut_half_line(int file)
{
	char tail[LOG_LINE_MAX];
	off_t size = lseek(file, 0, SEEK_END);
	off_t start = size > (off_t)sizeof(tail) ? size - (off_t)sizeof(tail) : 0;
	ssize_t length = pread(file, tail, sizeof(tail), start);

	if (length <= 0 || tail[length - 1] == '\n')
		return length >= 0;
	const char *newline = memrchr(tail, '\n', (size_t)length);
	if (!newline && start > 0)
		return false; /* longer than any line of ours */
	return ftruncate(file, newline ? start + (newline + 1 - tail) : 0) == 0;
}

/*
 * A file descriptor or -errno. A log that is made here may be read by all who may enter its directory, such as the web
 * server, whatever umask the caller has; one that is there keeps the mode that somebody gave it. It is never stderr's
 * number, which stands for no file here.
 */
static int open_file(const char *name)
{
	int flags = O_RDWR | O_APPEND | O_CLOEXEC;
	int file = fd_above_stderr(open(name, flags | O_CREAT | O_EXCL, LOG_MODE));

	if (file >= 0)
		fchmod(file, LOG_MODE);
	else
		file = fd_above_stderr(open(name, flags | O_CREAT, LOG_MODE));
	return file < 0 ? -errno : file;
}

/* Of a shared file the end may be somebody's line that is being written. */
static void use_file(int file)
{
	log_fd = file;
	must_break = file != STDERR_FILENO && !shared && is_regular(file) && !cut_half_line(file);
}

/* The thread alone tells the host: others write with the lock, and what the host then logs would wait for it. */
static void tell_trouble(const char *what, int error)
{
	uint64_t now = clock_monotonic_ns();

	if (log_fd == STDERR_FILENO || (last_complaint_ns && now - last_complaint_ns < COMPLAINT_NS))
		return;
	last_complaint_ns = now;
	if (is_log_thread && complain_to_host())
		complain_error("the log has trouble", tel_lit("failed", what), tel_str("file", log_path),
			       tel_str("reason", strerror(error)));
	else
		dprintf(STDERR_FILENO, "log: cannot %s %s: %s\n", what, log_path, strerror(error));
}

/*
 * A metric that could not be registered is misused by adding to it, which is logged: by a thread that has the log's
 * lock. So is one whose constructor has not run.
 */
static void count_event(struct tel_metric *metric, unsigned lines)
{
	if (metric->state)
		tel_counter_add(metric, lines);
}

/* After a failed write: an interruption, or a slow reader of a non-blocking stderr that has made room. */
static bool can_go_on(void)
{
	struct pollfd wait = {log_fd, POLLOUT, 0};

	return errno == EINTR || (errno == EAGAIN && poll(&wait, 1, POLL_MS) == 1);
}

/*
 * How much of these lines to write at once. A pipe that several processes write takes PIPE_BUF bytes in one piece
 * (POSIX, write()), so whole lines up to that, and of a longer line the whole.
 */
static size_t piece(const char *data, size_t bytes)
{
	if (!shared || bytes <= PIPE_BUF)
		return bytes;
	const char *newline = memrchr(data, '\n', PIPE_BUF);
	if (!newline)
		newline = memchr(data, '\n', bytes);
	return newline ? (size_t)(newline + 1 - data) : bytes;
}

/* Bytes written: fewer than `bytes` after an error, which is then in errno. */
static size_t write_all(const char *data, size_t bytes)
{
	size_t done = 0;

	while (done < bytes) {
		ssize_t n = write(log_fd, data + done, piece(data + done, bytes - done));
		if (n > 0)
			done += (size_t)n;
		else if (n == 0 || !can_go_on())
			break;
	}
	return done;
}

/* Writes whole lines; returns how many of them are in the file. */
static unsigned write_lines(const char *data, size_t bytes, unsigned count)
{
	if (must_break) {
		if (write_all("\n", 1) != 1) {
			count_event(&write_errors, 1);
			return 0;
		}
		must_break = false;
	}
	size_t done = write_all(data, bytes);
	if (done == bytes)
		return count;

	int error = errno;
	unsigned complete = 0;
	for (size_t i = 0; i < done; i++)
		complete += data[i] == '\n';
	if (done && data[done - 1] != '\n')
		must_break = shared || !is_regular(log_fd) || !cut_half_line(log_fd);
	count_event(&write_errors, 1);
	tell_trouble("write to", error);
	return complete;
}

static void open_again(void)
{
	if (!*log_path)
		return;
	int file = open_file(log_path);
	if (file < 0) {
		tell_trouble("open", -file);
		return;
	}
	/* the number stays: a child that is forked now has it */
	if (dup3(file, log_fd, O_CLOEXEC) < 0)
		tell_trouble("open", errno);
	else
		use_file(log_fd);
	close(file);
}

void log_count_lines(unsigned written, unsigned dropped)
{
	count_event(&lines_written, written);
	count_event(&lines_dropped, dropped);
}

/* ---- the thread ------------------------------------------------------------------------------------------------- */

static bool is_work_due(void)
{
	return thread.stopping || reopen || urgent || filling->used >= BUFFER_BYTES / 2;
}

/* Sleeps until there is something to do: with the first line the clock starts. */
static void wait_for_work(void)
{
	while (!is_work_due() && !filling->used)
		thread_wait(&thread, CLOCK_NEVER);
	uint64_t deadline_ns = clock_monotonic_ns() + DELAY_NS;
	while (!is_work_due() && !thread_wait(&thread, deadline_ns))
		;
}

static void write_until_stop(void *unused)
{
	(void)unused;
	is_log_thread = true;
	pthread_mutex_lock(&thread.lock);
	while (!thread.stopping || filling->used) {
		wait_for_work();
		struct lines *batch = filling;
		bool open_first = reopen;
		filling = writing;
		writing = batch;
		reopen = urgent = false;
		pthread_mutex_unlock(&thread.lock);

		unsigned written = batch->used ? write_lines(batch->data, batch->used, batch->count) : 0;
		if (open_first)
			open_again();

		pthread_mutex_lock(&thread.lock);
		if (abandoned) {
			abandoned = false; /* a new thread may begin, with nothing of what was counted as dropped */
			filling->used = writing->used = filling->count = writing->count = 0;
			break;
		}
		log_count_lines(written, batch->count - written);
		batch->used = batch->count = 0;
	}
	log_running = false; /* who logs from now on writes */
	pthread_mutex_unlock(&thread.lock);
}

int log_file_start(const char *name)
{
	pthread_mutex_lock(&thread.lock);
	bool hangs = abandoned;
	pthread_mutex_unlock(&thread.lock);
	if (hangs) /* two threads would share the buffers */
		return -EBUSY;
	int file = name ? open_file(name) : STDERR_FILENO;
	if (file < 0)
		return file;
	if (log_fd != STDERR_FILENO)
		close(log_fd);
	use_file(file);
	snprintf(log_path, sizeof(log_path), "%s", name ? name : "");
	reopen = urgent = false;
	log_running = true;
	int error = thread_start(&thread, "tel-log", write_until_stop, NULL);
	log_running = !error;
	return error;
}

void log_file_stop(unsigned budget_ms)
{
	pthread_mutex_lock(&thread.lock);
	bool started = log_running;
	pthread_mutex_unlock(&thread.lock);
	if (!started || thread_stop(&thread, clock_monotonic_ns() + budget_ms * NS_PER_MS))
		return;
	pthread_mutex_lock(&thread.lock);
	log_running = false;
	abandoned = true;
	log_count_lines(0, filling->count + writing->count);
	pthread_mutex_unlock(&thread.lock);
	pthread_detach(thread.id);
}

/* ---- the callers ------------------------------------------------------------------------------------------------ */

static void enqueue(const char *line, size_t bytes, bool at_once)
{
	size_t before = filling->used;

	if (bytes > BUFFER_BYTES - before) {
		log_count_lines(0, 1);
		return;
	}
	memcpy(filling->data + before, line, bytes);
	filling->used += bytes;
	filling->count++;
	urgent |= at_once;
	if (before == 0 || at_once || (before < BUFFER_BYTES / 2 && filling->used >= BUFFER_BYTES / 2))
		thread_wake(&thread);
}

/*
 * On a thread of the program a pipe whose reader is gone, such as stderr, would end the process. The signal of such a
 * write comes at once and to this thread (POSIX, write()), so it can be taken back; one that was there before stays.
 */
static void write_now(const char *line, size_t bytes)
{
	sigset_t pipe, pending, before;

	sigpending(&pending);
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, &before);
	unsigned written = abandoned ? 0 : write_lines(line, bytes, 1);
	while (!sigismember(&pending, SIGPIPE) && sigtimedwait(&pipe, NULL, &(struct timespec){0}) < 0 &&
	       errno == EINTR)
		;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	log_count_lines(written, 1 - written);
}

void log_file_add(const char *line, size_t bytes, bool at_once)
{
	int before = errno; /* whoever logs an error may go on to look at it */

	pthread_mutex_lock(&thread.lock);
	if (log_running) {
		enqueue(line, bytes, at_once);
	} else {
		if (reopen && !abandoned)
			open_again();
		reopen = false;
		write_now(line, bytes);
	}
	pthread_mutex_unlock(&thread.lock);
	errno = before;
}

void tel_log_reopen(void)
{
	pthread_mutex_lock(&thread.lock);
	reopen = true;
	if (log_running)
		thread_wake(&thread);
	pthread_mutex_unlock(&thread.lock);
}

/* ---- fork ------------------------------------------------------------------------------------------------------- */

void log_file_before_fork(void)
{
	shared = true;
}

/* Whatever the lock and the buffers were in the midst of. The host's sink may fork on the log thread itself. */
void log_file_in_child(void)
{
	thread = (struct thread)THREAD_INITIALIZER;
	is_log_thread = false;
	log_running = abandoned = reopen = urgent = false;
	filling = &buffers[0];
	writing = &buffers[1];
	for (size_t i = 0; i < 2; i++)
		buffers[i].used = buffers[i].count = 0;
	last_complaint_ns = 0;
}
