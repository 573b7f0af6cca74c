/* SPDX-License-Identifier: MIT */
/*
 * The web server's connections: accepts them, hands each one that has a request to a free thread, lets them go.
 *
 * Idle connections cost no thread, so their number (nginx workers × keepalive) needs no relation to the number of
 * threads. The listening socket is never closed or shut down: where it outlives the program, the next incarnation
 * serves what waits in it.
 */
#ifndef APM_HTTP_LISTENER_H
#define APM_HTTP_LISTENER_H

#include <stdbool.h>

/* Once, before threads start. `listen_fd`: a listening stream socket. 0 or -errno. */
int listener_init(int listen_fd);

/*
 * Waits for a connection with a request to read and gives it to the calling thread, which then says one of the three
 * below. -1: drained, there will be no more; the thread ends.
 */
int listener_wait(void);

void listener_keep(int fd);  /* answered, and the web server keeps the connection */
void listener_close(int fd); /* answered, or no use any more */
void listener_gone(void);    /* the connection was closed by someone else, libfcgi */

/*
 * Takes what waits to be accepted, for a moment, and no connection any more from then on. Requests that the web
 * server has sent are served, also those that are on their way on a connection that was just accepted; kept
 * connections without one are closed. Waits until all is answered, `budget_ms` at most. True: it is, and every
 * listener_wait returns -1. Once, on the main thread.
 */
bool listener_drain(unsigned budget_ms);

#endif
