/* SPDX-License-Identifier: MIT */
#include "http/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "tel/tel.h"

#define CONNECTIONS_MAX 4096    /* a connection's file descriptor is below it */
#define PEER_TIMEOUT_SECONDS 10 /* how long a web server may stop in the middle of a record */
#define BACKLOG 65535           /* connections that may wait; the kernel allows net.core.somaxconn at most */
#define LOCKS 64                /* of connections; a power of two */
#define FRESH_GRACE_MS 1000     /* how long draining waits for the first request of a connection */
#define QUEUE_GRACE_MS 1500     /* how long draining accepts connections that wait */

enum state {
	BUSY,  /* a thread has it, or it is closed */
	FRESH, /* waits for its first request, for which the web server has connected */
	KEPT   /* waits for another request */
};

static struct {
	int listen_fd, epoll_fd, drained_fd;
	atomic_bool draining;

	/* Threads would queue at a single lock for all connections, twice in every request. */
	pthread_mutex_t locks[LOCKS];
	uint8_t state[CONNECTIONS_MAX];
	bool polled[CONNECTIONS_MAX]; /* it was added to epoll */

	pthread_mutex_t lock; /* of the rest */
	pthread_cond_t closed;
	unsigned open;
} listener = {
	.listen_fd = -1,
	.locks = {[0 ... LOCKS - 1] = PTHREAD_MUTEX_INITIALIZER},
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.closed = PTHREAD_COND_INITIALIZER,
};

static void lock_connection(int fd)
{
	pthread_mutex_lock(&listener.locks[fd % LOCKS]);
}

static void unlock_connection(int fd)
{
	pthread_mutex_unlock(&listener.locks[fd % LOCKS]);
}

/*
 * An event goes to one thread, and no other follows until the descriptor is armed again. Arming looks at the present
 * state, so that nothing which came in between is missed.
 */
static int arm(int fd, int operation)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.fd = fd};
	return epoll_ctl(listener.epoll_fd, operation, fd, &event);
}

int listener_init(int listen_fd)
{
	int flags = fcntl(listen_fd, F_GETFL);

	listen(listen_fd, BACKLOG); /* if that fails, the queue stays as long as it was */
	/* Two threads may be woken for the same connection; the second must not wait in accept. */
	if (flags < 0 || fcntl(listen_fd, F_SETFL, flags | O_NONBLOCK) != 0)
		return -errno;
	listener.listen_fd = listen_fd;
	listener.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	listener.drained_fd = eventfd(0, EFD_CLOEXEC);
	if (listener.epoll_fd < 0 || listener.drained_fd < 0)
		return -errno;

	/* Without EPOLLONESHOT it wakes every thread. */
	struct epoll_event drained = {.events = EPOLLIN, .data.fd = listener.drained_fd};
	if (epoll_ctl(listener.epoll_fd, EPOLL_CTL_ADD, listener.drained_fd, &drained) != 0 ||
	    arm(listen_fd, EPOLL_CTL_ADD) != 0)
		return -errno;
	return 0;
}

/* With the lock. */
static void wake_when_drained(void)
{
	uint64_t one = 1;

	if (!listener.draining || listener.open)
		return;
	pthread_cond_signal(&listener.closed);
	if (write(listener.drained_fd, &one, sizeof(one)) < 0)
		tel_error("the threads were not woken");
}

void listener_gone(void)
{
	pthread_mutex_lock(&listener.lock);
	listener.open--;
	wake_when_drained();
	pthread_mutex_unlock(&listener.lock);
}

void listener_close(int fd)
{
	lock_connection(fd);
	listener.state[fd] = BUSY; /* before the number is used again */
	close(fd);
	unlock_connection(fd);
	listener_gone();
}

static void set_timeouts(int fd)
{
	struct timeval limit = {.tv_sec = PEER_TIMEOUT_SECONDS};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

/* Accepts a connection. Returns it if it has a request, else -1: there is none, or epoll will tell of its request. */
static int accept_one(void)
{
	char byte;
	int fd = accept4(listener.listen_fd, NULL, NULL, SOCK_CLOEXEC);
	int reason = errno;

	if (fd < 0 && (reason == EMFILE || reason == ENFILE || reason == ENOBUFS || reason == ENOMEM))
		clock_sleep_until(clock_monotonic_ns() + 10000000); /* until others have closed theirs */
	arm(listener.listen_fd, EPOLL_CTL_MOD);
	if (fd < 0)
		return -1;
	if (fd >= CONNECTIONS_MAX) {
		close(fd);
		return -1;
	}
	set_timeouts(fd);
	bool waiting = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0;

	pthread_mutex_lock(&listener.lock);
	listener.open++;
	pthread_mutex_unlock(&listener.lock);
	lock_connection(fd);
	bool late = listener.draining; /* then no other thread knows of the connection */
	bool polled = waiting && !late && arm(fd, EPOLL_CTL_ADD) == 0;
	listener.state[fd] = polled ? FRESH : BUSY;
	listener.polled[fd] = polled;
	unlock_connection(fd);
	if (polled)
		return -1;
	if (waiting && late && poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, FRESH_GRACE_MS) != 1)
		shutdown(fd, SHUT_RD); /* so that it reads as closed */
	return fd;
}

/* Returns true if the thread is to end. */
static bool drained(void)
{
	pthread_mutex_lock(&listener.lock);
	bool all = listener.draining && listener.open == 0;
	pthread_mutex_unlock(&listener.lock);
	return all;
}

static void take(int fd)
{
	lock_connection(fd);
	listener.state[fd] = BUSY;
	unlock_connection(fd);
}

int listener_wait(void)
{
	for (;;) {
		struct epoll_event event;

		if (epoll_wait(listener.epoll_fd, &event, 1, -1) != 1)
			continue;
		if (event.data.fd == listener.drained_fd) {
			if (drained())
				return -1;
		} else if (event.data.fd == listener.listen_fd) {
			int fd = accept_one();
			if (fd >= 0)
				return fd;
		} else {
			take(event.data.fd);
			return event.data.fd;
		}
	}
}

/*
 * With the connection's lock. Closes its reading half: a request that the web server has sent is still read and served,
 * and one that it sends later fails on its side at once, unsent, so that none is lost between a look and a close. Wakes
 * a thread in any case.
 */
static void stop_reading(int fd)
{
	shutdown(fd, SHUT_RD);
}

static void stop_reading_all(enum state state)
{
	for (int fd = 0; fd < CONNECTIONS_MAX; fd++) {
		lock_connection(fd);
		if (listener.state[fd] == state)
			stop_reading(fd);
		unlock_connection(fd);
	}
}

void listener_keep(int fd)
{
	lock_connection(fd);
	bool kept = arm(fd, listener.polled[fd] ? EPOLL_CTL_MOD : EPOLL_CTL_ADD) == 0;
	if (kept) {
		listener.state[fd] = KEPT;
		listener.polled[fd] = true;
		if (listener.draining)
			stop_reading(fd);
	}
	unlock_connection(fd);
	if (!kept)
		listener_close(fd);
}

/* With the lock. */
static bool wait_until_closed(uint64_t deadline_ns)
{
	bool late = false;

	while (listener.open && !late)
		late = clock_wait_until(&listener.closed, &listener.lock, deadline_ns);
	return listener.open == 0;
}

/*
 * The connections that wait are accepted as usual: if the socket ends with this process, nobody else would answer them.
 * If it outlives the process and connections keep coming, the rest is left to the next process.
 */
static void wait_for_queue(uint64_t deadline_ns)
{
	struct pollfd queue = {.fd = listener.listen_fd, .events = POLLIN};

	while (poll(&queue, 1, 0) == 1 && clock_monotonic_ns() < deadline_ns)
		clock_sleep_until(clock_monotonic_ns() + NS_PER_MS);
}

bool listener_drain(unsigned budget_ms)
{
	uint64_t deadline = clock_monotonic_ns() + budget_ms * NS_PER_MS;
	uint64_t patience = clock_monotonic_ns() + QUEUE_GRACE_MS * NS_PER_MS;

	wait_for_queue(patience < deadline ? patience : deadline);
	uint64_t grace = clock_monotonic_ns() + FRESH_GRACE_MS * NS_PER_MS;

	listener.draining = true; /* a thread that takes a connection's lock after stop_reading_all sees it */
	epoll_ctl(listener.epoll_fd, EPOLL_CTL_DEL, listener.listen_fd, NULL);
	stop_reading_all(KEPT);
	pthread_mutex_lock(&listener.lock);
	wake_when_drained();
	bool all = wait_until_closed(grace < deadline ? grace : deadline);
	pthread_mutex_unlock(&listener.lock);
	if (all)
		return true;
	stop_reading_all(FRESH);
	pthread_mutex_lock(&listener.lock);
	all = wait_until_closed(deadline);
	pthread_mutex_unlock(&listener.lock);
	return all;
}
