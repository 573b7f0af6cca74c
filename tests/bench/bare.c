/* SPDX-License-Identifier: MIT */
/*
 * The least that can answer GET /api/v1/users/{id}: libfcgi, SQLite and json-c, straight from their manuals; no
 *telemetry, no log, no checks. What the services are measured against.
 *
 *	spawn-fcgi … -- bare users.db
 */
#include <fcgiapp.h>
#include <json-c/json.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 48 /* libfcgi waits in a kept connection: more threads than nginx keeps */

static const char *path;
static pthread_mutex_t accepting = PTHREAD_MUTEX_INITIALIZER;

static void answer(FCGX_Request *request, sqlite3_stmt *select)
{
	const char *uri = FCGX_GetParam("DOCUMENT_URI", request->envp);
	const char *id = uri ? strrchr(uri, '/') : NULL;

	sqlite3_bind_int64(select, 1, id ? strtoll(id + 1, NULL, 10) : 0);
	if (sqlite3_step(select) != SQLITE_ROW) {
		FCGX_PutS("Status: 404 Not Found\r\n\r\n", request->out);
		sqlite3_reset(select);
		return;
	}
	struct json_object *user = json_object_new_object();
	json_object_object_add(user, "id", json_object_new_int64(sqlite3_column_int64(select, 0)));
	for (int i = 1; i < 4; i++)
		json_object_object_add(user, sqlite3_column_name(select, i),
				       json_object_new_string((const char *)sqlite3_column_text(select, i)));
	sqlite3_reset(select);
	const char *text = json_object_to_json_string_ext(user, JSON_C_TO_STRING_PLAIN);
	FCGX_FPrintF(request->out, "Status: 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		     (int)strlen(text), text);
	json_object_put(user);
}

static void *work(void *unused)
{
	FCGX_Request request;
	sqlite3 *db;
	sqlite3_stmt *select;

	(void)unused;
	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(db, "SELECT id, name, email, created_at FROM users WHERE id = ?1", -1, &select, NULL) !=
		    SQLITE_OK) {
		fprintf(stderr, "%s: %s\n", path, sqlite3_errmsg(db));
		exit(EXIT_FAILURE);
	}
	FCGX_InitRequest(&request, 0, 0);
	for (;;) {
		bool kept = request.keepConnection && request.ipcFd >= 0;

		if (!kept)
			pthread_mutex_lock(&accepting);
		int failed = FCGX_Accept_r(&request);
		if (!kept)
			pthread_mutex_unlock(&accepting);
		if (failed < 0)
			return NULL;
		answer(&request, select);
		FCGX_Finish_r(&request);
	}
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];

	if (argc != 2) {
		fprintf(stderr, "usage: %s DATABASE\n", argv[0]);
		return 2;
	}
	path = argv[1];
	FCGX_Init();
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, work, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
