/* SPDX-License-Identifier: MIT */
#include "app/app.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/health.h"
#include "app/request_database.h"
#include "base/clock.h"
#include "base/env.h"
#include "base/thread.h"
#include "database/database.h"
#include "http/neighbour.h"
#include "http/server.h"
#include "tel/tel.h"

#define LISTEN_FD 0 /* FCGI_LISTENSOCK_FILENO */

/*
 * Time limits after SIGTERM, so that the process ends within 5 s. LAST_MS is counted from the signal, the others from
 * the beginning of their step.
 */
#define DRAIN_MS 3300
#define FLUSH_MS 2000
#define LOG_MS 300
#define LAST_MS 4700

#define RESPAWN_MS 300 /* whoever restarts a program that ends at once (multiwatch in a container) must not spin */

static const char help[] = "usage: %s [--help | --version]\n"
			   "\n"
			   "%s %s: serves FastCGI on file descriptor 0, which has to be a listening socket.\n"
			   "SIGTERM answers what was accepted and ends; SIGUSR1 opens the log again.\n"
			   "\n"
			   "Settings come from the environment (defaults in brackets):\n"
			   "  DATA_DIR [db/data]           the database, made when absent\n"
			   "  SCHEMA_DIR [db/schema]       its tables\n"
			   "  SEED_DIR [none]              first rows of a new database\n"
			   "  BUSY_TIMEOUT_MS [1000]       how long to wait for a locked database\n"
			   "  LOG_DIR [standard error]     directory of the log\n"
			   "  LOG_LEVEL [info]             debug, info, warn or error\n"
			   "  WORKER_THREADS [%u]          requests that are answered at a time\n"
			   "  CALL_TIMEOUT_MS [2000]       for a call to another service\n"
			   "  CALL_SHARE_PERCENT [50]      of the threads that calls to one service may hold\n"
			   "  QUEUE_TIMEOUT_MS [7000]      a request that waited longer for a thread is refused\n"
			   "  NAME_URL                     where the service NAME is, which this program calls\n"
			   "  NAME_PORT                    the same for one on this machine\n"
			   "  PID_FILE [none]              file for the process id\n"
			   "  OTEL_*                       as the OpenTelemetry specification defines them\n";

/* The telemetry library reads it too, but goes on with a value that it does not understand; a program of ours stops. */
static const char *const log_levels[] = {"debug", "info", "warn", "error", NULL};
ENV_SETTING(log_level, .name = "LOG_LEVEL", .kind = ENV_CHOICE, .choices = log_levels);
ENV_SETTING(worker_threads, .name = "WORKER_THREADS", .unit = "threads", .min = 1, .max = 1024);

static unsigned default_threads(const struct app *app)
{
	return app->threads ? app->threads : 24;
}

static void sleep_ms(unsigned ms)
{
	clock_sleep_until(clock_monotonic_ns() + ms * NS_PER_MS);
}

/* ---- start ---- */

static int give_up(void)
{
	tel_shutdown(FLUSH_MS);
	sleep_ms(RESPAWN_MS);
	return EXIT_FAILURE;
}

static int fail(const char *what, const char *remedy)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, remedy);
	tel_error("the program cannot start", tel_str("reason", what), tel_str("remedy", remedy));
	return give_up();
}

/*
 * Open files. A thread has two of the database, a connection of the web server and two to other services; the process
 * has its log, the files that it follows, epoll, the export of spans and the like.
 */
#define FILES_OF_THREAD 5
#define FILES_OF_PROCESS 40
#define FILES_USUAL 1024 /* leaves room for connections that are kept */

/* Raises the limit as far as it is allowed to. Returns false if that is not enough, and says it in `what`. */
static bool raise_file_limit(unsigned threads, char *what, size_t size)
{
	rlim_t needed = FILES_OF_PROCESS + (rlim_t)threads * FILES_OF_THREAD;
	rlim_t wanted = needed > FILES_USUAL ? needed : FILES_USUAL;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
		return true;
	limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
	setrlimit(RLIMIT_NOFILE, &limit);
	snprintf(what, size, "%llu open files are allowed, and %u threads need %llu",
		 (unsigned long long)limit.rlim_max, threads, (unsigned long long)needed);
	return limit.rlim_max >= needed;
}

/*
 * Signals are for main alone; every thread inherits the mask. SIGQUIT stops the program as SIGTERM does:
 * multiwatch 1.0.0 sends it when it is told "-s TERM" (its table of names is off by one).
 */
static void block_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGQUIT);
	sigaddset(set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, set, NULL);
}

/* libfcgi has installed handlers. A blocked signal reaches sigwait whatever its handler is, unless it is ignored. */
static void restore_signals(void)
{
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
	signal(SIGUSR1, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
}

static bool is_listening(int fd)
{
	int listening = 0;
	socklen_t size = sizeof(listening);
	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening;
}

/* Writes another file and renames it, so that a reader never finds half of it. */
static bool put_pid(const char *path)
{
	char new_path[PATH_MAX];

	if (snprintf(new_path, sizeof(new_path), "%s.new", path) >= (int)sizeof(new_path)) {
		errno = ENAMETOOLONG;
		return false;
	}
	FILE *file = fopen(new_path, "we");
	if (!file)
		return false;
	bool written = fprintf(file, "%d\n", (int)getpid()) > 0;
	return fclose(file) == 0 && written && rename(new_path, path) == 0;
}

static void write_pid(void)
{
	const char *path = env_string("PID_FILE", NULL);

	if (path && !put_pid(path))
		tel_warn("the process id was not written", tel_str("file", path), tel_str("reason", strerror(errno)));
}

/* Removes the file, unless another process of the program has written its own id by now. */
static void remove_pid(void)
{
	const char *path = env_string("PID_FILE", NULL);
	FILE *file = path ? fopen(path, "re") : NULL;
	char line[32] = "";

	if (!file)
		return;
	if (fgets(line, sizeof(line), file) && strtol(line, NULL, 10) == getpid())
		unlink(path);
	fclose(file);
}

/* ---- end ---- */

static uint64_t last_ns; /* monotonic; the process ends then in any case */

static unsigned left_ms(void)
{
	uint64_t now = clock_monotonic_ns();
	return last_ns > now ? (unsigned)((last_ns - now) / NS_PER_MS) : 0;
}

/* A request, a hook or a disk that hangs must not keep the process alive. */
static void end_in_any_case(void *arg)
{
	(void)arg;
	sleep_ms(LAST_MS);
	fprintf(stderr, "%s: something hangs: ended without waiting for it\n", program_invocation_short_name);
	_exit(EXIT_SUCCESS);
}

static void stop(const struct app *app, struct database *database)
{
	static struct thread watch = THREAD_INITIALIZER;

	tel_info("stopping");
	last_ns = clock_monotonic_ns() + LAST_MS * NS_PER_MS;
	thread_start(&watch, "watch", end_in_any_case, NULL);

	bool drained = server_stop(DRAIN_MS);
	if (!drained)
		tel_error("requests are given up: they take too long");
	if (app->stop)
		app->stop();
	if (!drained) {
		/* Threads still use the database and the telemetry, so neither is closed; the log gets a moment to be
		 * written. */
		sleep_ms(LOG_MS);
		remove_pid();
		_exit(EXIT_SUCCESS);
	}
	server_done();
	database_close(database);
	tel_info("stopped");
	unsigned budget_ms = left_ms();
	tel_shutdown(budget_ms < FLUSH_MS ? budget_ms : FLUSH_MS);
	remove_pid();
}

static void wait_for_stop(const sigset_t *signals)
{
	for (;;) {
		int signal_number = 0;

		sigwait(signals, &signal_number);
		if (signal_number == SIGUSR1)
			tel_log_reopen();
		else
			return;
	}
}

/* ---- main ---- */

static int run(const struct app *app)
{
	sigset_t signals;
	struct database *database = NULL;

	block_signals(&signals);
	umask(umask(0) | 027); /* files that it makes are not readable by everybody; the log sets its own mode */
	/* Threads that rarely run at the same time need few arenas. */
	mallopt(M_ARENA_MAX, 2);
	const struct tel_attr resource[] = {tel_lit("service.namespace", "apm"),
					    tel_lit("deployment.environment.name", "development")};
	int error = tel_init(&(struct tel_config){
		.service_name = app->service_name,
		.service_version = APM_VERSION,
		.resource = resource,
		.resource_count = sizeof(resource) / sizeof(*resource),
		.scope_name = "apm",
		.scope_version = APM_VERSION,
		.log_name = app->log_name,
		.no_exporter = app->no_exporter,
	});
	if (error) { /* standard error says why */
		sleep_ms(RESPAWN_MS);
		return EXIT_FAILURE;
	}

	BUF(problems, 4096);
	neighbours_init(app->neighbours);
	if (!env_check(&problems))
		return fail(problems.data, "correct it, or leave it unset");
	if (!neighbours_locate(&problems))
		return fail(problems.data, "set the port of a service on this machine, or the URL of another");
	unsigned threads = (unsigned)env_number(&worker_threads);
	threads = threads ? threads : default_threads(app);
	char limits[128];
	if (!raise_file_limit(threads, limits, sizeof(limits)))
		return fail(limits, "raise the hard limit (ulimit -Hn, LimitNOFILE=), or lower WORKER_THREADS");
	if (!is_listening(LISTEN_FD))
		return fail("file descriptor 0 is not a listening socket", "start it as make run does");
	error = server_init(LISTEN_FD, threads);
	if (error)
		return fail("the socket cannot be served", strerror(-error));
	restore_signals();
	if (app->database &&
	    !(database = app->cache ? database_open_cache(app->database) : database_open(app->database)))
		return give_up(); /* database_open has said why */
	request_database_init(database);
	health_init(app->unready);
	error = app->start ? app->start(database) : 0;
	if (error)
		return fail("the program's own start failed", strerror(-error));
	write_pid(); /* before the first answer, so that whoever has one finds the process */
	const struct route *const tables[] = {health_routes, app->routes, NULL};
	const struct server server = {.tables = tables,
				      .body_max = app->body_max,
				      .admit = request_database_admit,
				      .thread_end = request_database_thread_end};
	error = server_start(&server);
	if (error) {
		remove_pid();
		return fail("the threads cannot be started", strerror(-error));
	}
	tel_info("started", tel_int("threads", threads), tel_lit("version", APM_VERSION));
	wait_for_stop(&signals);
	stop(app, database);
	return EXIT_SUCCESS;
}

int app_main(const struct app *app, int argc, char **argv)
{
	if (argc == 1)
		return run(app);
	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		printf(help, argv[0], app->service_name, APM_VERSION, default_threads(app));
		fputs(app->settings ? app->settings : "", stdout);
		return EXIT_SUCCESS;
	}
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		printf("%s %s\n", app->service_name, APM_VERSION);
		return EXIT_SUCCESS;
	}
	fprintf(stderr, "%s: I take --help and --version only\n", argv[0]);
	return 2;
}
