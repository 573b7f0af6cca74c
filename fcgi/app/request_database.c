/* SPDX-License-Identifier: MIT */
#include "app/request_database.h"

#include "base/json_write.h"
#include "http/deadline.h"

static struct database *database;

/* ---- the connections of the threads ---- */

void request_database_init(struct database *the_database)
{
	database = the_database;
}

struct database *request_database(void)
{
	return database;
}

struct db_connection *request_db(const struct request *req)
{
	if (!*req->kept && database)
		*req->kept = db_connection_open(database);
	return *req->kept;
}

bool request_database_admit(const struct request *req, struct reply *reply)
{
	if (!database || request_db(req))
		return true;
	reply_unavailable(reply, "database");
	return false;
}

void request_database_thread_end(void *kept)
{
	db_connection_close(kept);
}

/* ---- writes ---- */

struct timely_job {
	const struct request *req;
	db_job *job;
	void *arg;
};

static enum db_result run_in_time(struct db_connection *tx, void *arg)
{
	const struct timely_job *timely = arg;

	return deadline_now(&timely->req->deadline) ? DB_LATE : timely->job(tx, timely->arg);
}

enum db_result request_write(const struct request *req, struct db_statement *main_statement, db_job *job, void *arg)
{
	struct timely_job timely = {.req = req, .job = job, .arg = arg};

	return db_write(database, main_statement, run_in_time, &timely);
}

/* ---- answers ---- */

void reply_database(struct reply *reply, enum db_result result)
{
	switch (result) {
	case DB_NOT_FOUND: return reply_problem(reply, 404, "There is no such resource.");
	case DB_CONFLICT: return reply_problem(reply, 409, "This conflicts with what is stored.");
	case DB_LATE: return reply_late(reply, LATE_STORING);
	case DB_BUSY:
	case DB_UNAVAILABLE: return reply_unavailable(reply, "database");
	case DB_OK:
	case DB_FAILED: break;
	}
	reply_problem(reply, 500, "The database has failed.");
}

void list_start(struct list *list, struct reply *reply, const struct page *page)
{
	struct json_writer *json = reply_writer(reply);

	*list = (struct list){.reply = reply, .room = page->limit};
	json_begin_object(json);
	json_key(json, "items");
	json_begin_array(json);
}

bool list_add(struct list *list, int64_t id)
{
	list->more = list->room == 0;
	if (list->more)
		return false;
	list->room--;
	list->last_id = id;
	return true;
}

void list_end(struct list *list, enum db_result result)
{
	struct json_writer *json = reply_writer(list->reply);
	char cursor[PAGE_CURSOR_SIZE];

	if (result != DB_OK)
		return reply_database(list->reply, result);
	json_end_array(json);
	json_key(json, "next_cursor");
	page_cursor(list->last_id, cursor);
	json_text(json, list->more ? cursor : NULL);
	json_end_object(json);
	reply_json(list->reply, 200);
}
