/* SPDX-License-Identifier: MIT */
/*
 * Answers from the store: lists, page by page, and what a failed operation means to the client.
 *
 *	list_begin(&list, reply, &page);
 *	while (db_next(&q) && list_add(&list, db_int(&q, 0)))
 *		write_user(reply_writer(reply), &q);
 *	return list_end(&list, db_end(&q));
 */
#ifndef APM_APP_REPLY_DATABASE_H
#define APM_APP_REPLY_DATABASE_H

#include <stdbool.h>
#include <stdint.h>

#include "database/database.h"
#include "http/page.h"
#include "http/reply.h"
#include "http/request.h"

/* 503 with Retry-After for DB_BUSY and DB_UNAVAILABLE, 404, 409, 500 for DB_FAILED. Not for DB_OK. */
int reply_database(struct reply *reply, enum db_result result);

/* {"items":[…],"next_cursor":…}. The query reads page->limit + 1 rows, so that the last page is known. */
struct list {
	struct reply *reply;
	int64_t room; /* items that still fit on the page */
	int64_t last_id;
	bool more;
};

void list_begin(struct list *list, struct reply *reply, const struct page *page);

/* True: write the item with this id now. False: the page is full, and there is more. */
bool list_add(struct list *list, int64_t id);

/* 200 with the list; or the problem when `result` is not DB_OK. */
int list_end(struct list *list, enum db_result result);

#endif
