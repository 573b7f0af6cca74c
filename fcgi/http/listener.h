/* SPDX-License-Identifier: MIT */
/*
 * The web server's connections: accepts them, hands each one with a request to a free thread, and closes them.
 *
 * Idle connections cost no thread, so that their number (nginx workers × keepalive) may exceed the number of threads.
 * The listening socket is never closed or shut down: if it outlives the program, the next one serves the connections
 * that wait in it.
 */
#ifndef APM_HTTP_LISTENER_H
#define APM_HTTP_LISTENER_H

#include <stdbool.h>

/* Prepares `listen_fd`, a listening stream socket. Once, before threads start. Returns 0 or -errno. */
int listener_init(int listen_fd);

/*
 * Waits for a connection with a request to read and gives it to the calling thread, which then calls one of the three
 * functions below. Returns -1 once all is drained: there will be no more, and the thread ends.
 */
int listener_wait(void);

void listener_keep(int fd);  /* answered, and the web server keeps the connection */
void listener_close(int fd); /* answered, or of no more use */
void listener_gone(void);    /* libfcgi has closed the connection */

/*
 * Accepts the connections that wait for it, for a moment, and none after that. Serves the requests that the web server
 * has sent, also those on their way on a connection that was just accepted, and closes kept connections without one.
 * Waits for `budget_ms` at most. Returns true if all is answered; then every listener_wait returns -1. Once, on the
 * main thread.
 */
bool listener_drain(unsigned budget_ms);

#endif
