/* SPDX-License-Identifier: MIT */
/* The life of a program: its settings, its signals, its database, the threads that serve it, and its end. */
#ifndef APM_APP_APP_H
#define APM_APP_APP_H

#include "http/reply.h"
#include "http/request.h"
#include "http/route.h"
#include "tel/tel.h"

struct database;

struct app {
	const char *service_name;      /* "order-service" */
	const char *database;          /* "orders" opens $DATA_DIR/orders.db; NULL: none */
	bool cache;                    /* the database can be made again: database_open_cache */
	const char *log_name;          /* see tel_config */
	const char *const *neighbours; /* the services that it calls, "users"; ends with NULL; NULL: none */
	const struct route *routes;    /* besides /healthz, /readyz and /metrics, which every program has */
	unsigned threads;              /* the default of $WORKER_THREADS; 0: 24 */
	size_t body_max;               /* bytes of a request's body; 0: REQUEST_BODY_MAX. nginx has a limit too */
	const char *settings; /* further lines of --help about the environment, each ends with "\n"; NULL: none */
	bool no_exporter;     /* see tel_config */
	/* Optional hooks; start and stop run on the main thread. start: when the database is open, before requests
	 * come. Returns 0, or -errno, and the program ends. */
	int (*start)(struct database *database);
	void (*stop)(void); /* when the last request was answered, or the time for it is up */
	/* Asked by /readyz as well. Returns the name of a part that is not ready, which the client reads (so
	 * nothing internal), or NULL. Several threads may call it at once. */
	const char *(*unready)(void);
};

/*
 * The body of main. Serves FastCGI on file descriptor 0, a listening socket that the starter has made. On SIGTERM,
 * SIGINT or SIGQUIT it takes no new connection, answers the requests that it has, sends its telemetry, and returns 0
 * within 5 s. SIGUSR1 opens the log again. Answers `--help` and `--version`. Returns the exit code.
 */
int app_main(const struct app *app, int argc, char **argv);

#endif
