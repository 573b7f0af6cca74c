/* SPDX-License-Identifier: MIT */
/*
 * The program's database as handlers use it: each thread's own connection to read, writes that keep to the request's
 * deadline, and the answers to what they find, lists page by page:
 *
 *	db_query(&q, request_db(req), &select_users);
 *	…
 *	list_start(&list, reply, &page);
 *	while (db_next(&q) && list_add(&list, db_int(&q, 0)))
 *		write_user(reply_writer(reply), &q);
 *	list_end(&list, db_end(&q));
 */
#ifndef APM_APP_REQUEST_DATABASE_H
#define APM_APP_REQUEST_DATABASE_H

#include <stdbool.h>
#include <stdint.h>

#include "database/database.h"
#include "http/page.h"
#include "http/reply.h"
#include "http/request.h"

/*
 * Returns the reading connection of the thread that serves the request, opened at its first use. NULL if that failed or
 * the program has no database; only the handlers of quiet routes can meet it, the others are not called then.
 */
struct db_connection *request_db(const struct request *req);

/*
 * db_write for the request: if the request is late when the job's turn comes, the job is not run, nothing is stored and
 * the result is DB_LATE. Between that look and the answer only the commit of the group remains.
 */
enum db_result request_write(const struct request *req, struct db_statement *main_statement, db_job *job, void *arg);

/* Answers 503 with Retry-After to DB_BUSY and DB_UNAVAILABLE, else 404, 409, or 500 to DB_FAILED. Not for DB_OK. */
void reply_database(struct reply *reply, enum db_result result);

/* {"items":[…],"next_cursor":…}. The query reads page->limit + 1 rows, so that the last page is known. */
struct list {
	struct reply *reply;
	int64_t room; /* items that still fit on the page */
	int64_t last_id;
	bool more;
};

void list_start(struct list *list, struct reply *reply, const struct page *page);

/* Returns true if the item with this id is to be written now, false if the page is full and there is more. */
bool list_add(struct list *list, int64_t id);

/* Answers 200 with the list, or as reply_database does if `result` is not DB_OK. */
void list_end(struct list *list, enum db_result result);

/* ---- for app.c: once, before threads start ---- */

/* NULL: the program has none. */
void request_database_init(struct database *database);

/* Hooks of struct server: false and 503 if the thread cannot open its connection; closes the connection. */
bool request_database_admit(const struct request *req, struct reply *reply);
void request_database_thread_end(void *kept);

/* Returns what request_database_init was given. */
struct database *request_database(void);

#endif
