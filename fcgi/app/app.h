/* SPDX-License-Identifier: MIT */
/*
 * One program: settings, signals, worker threads on the FastCGI socket, drain. The loop is also the telemetry seam: it
 * owns the SERVER span, the request histogram and the request log line, so that handlers do not.
 */
#ifndef APM_APP_APP_H
#define APM_APP_APP_H

#include "http/reply.h"
#include "http/request.h"
#include "http/route.h"
#include "tel/tel.h"

struct database;

struct app {
	const char *service_name;      /* "order-service" */
	const char *database;          /* "orders": opens $DATA_DIR/orders.db; NULL: none */
	bool cache;                    /* the database holds nothing of its own: database_open_cache */
	const char *log_name;          /* see tel_config */
	const char *const *neighbours; /* the services that it calls, "users"; ends with NULL; NULL: none */
	const struct route *routes;    /* beside these the loop answers /healthz, /readyz and /metrics */
	unsigned threads;              /* default of $WORKER_THREADS; 0: 24 */
	size_t body_max;               /* bytes of a request's body; 0: REQUEST_BODY_MAX. nginx has a limit too */
	const char *settings; /* further lines of --help about the environment, each ends with "\n"; NULL: none */
	bool no_exporter;     /* see tel_config */
	/* Optional hooks. start and stop run on the main thread. start: after the database is open, before requests; 0
	 * or -errno, and the program ends. */
	int (*start)(struct database *database);
	void (*stop)(void); /* after the last request was answered, or has run out of time */
	/* More that /readyz depends on: the name of a part that is not ready, shown to the client (so nothing
	 * internal), NULL when all are. On the thread that answers /readyz: several may call at once. */
	const char *(*unready)(void);
};

/*
 * Runs the program: the body of main. Serves FastCGI on file descriptor 0 (a listening socket, which
 * whoever starts it made). SIGTERM, SIGINT or SIGQUIT: takes no new connection, answers what was accepted, flushes
 * telemetry, returns 0 within 5 s. SIGUSR1: opens the log anew. Returns the exit code. `--help` and `--version` are
 * answered.
 */
int app_main(const struct app *app, int argc, char **argv);

#endif
