/* SPDX-License-Identifier: MIT */
#include "app/reply_database.h"

#include "base/json_write.h"
#include "http/deadline.h"

int reply_database(struct reply *reply, enum db_result result)
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
	return reply_problem(reply, 500, "The database has failed.");
}

void list_begin(struct list *list, struct reply *reply, const struct page *page)
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

int list_end(struct list *list, enum db_result result)
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
	return reply_json(list->reply, 200);
}
