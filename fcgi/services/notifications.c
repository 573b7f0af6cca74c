/* SPDX-License-Identifier: MIT */
/* The notification service: /api/v1/notifications. Other services POST to its own port; clients may only read. */
#include <inttypes.h>

#include "app/app.h"
#include "app/request_database.h"
#include "http/condition.h"
#include "http/form.h"

TEL_COUNTER(notifications_sent, "notifications.sent", "{notification}", "Notifications sent.", "channel");

static const char *const channels[] = {"email", "sms", "push", NULL};

struct notification {
	int64_t id;
	char event_id[36 + 1];
	int64_t user_id;
	int64_t order_id;
	char channel[16];
	char message[1000 * 4 + 1]; /* characters of up to 4 bytes */
	char status[16];
	char created_at[DB_TIME_SIZE];
};

#define COLUMNS "id, event_id, user_id, order_id, channel, message, status, created_at"
#define NEWEST_FIRST(filter) "SELECT " COLUMNS " FROM notifications WHERE " filter "id < ?1 ORDER BY id DESC LIMIT ?2"

DB_STATEMENT(select_all, "SELECT", "notifications", NEWEST_FIRST(""));
DB_STATEMENT(select_of_user, "SELECT", "notifications", NEWEST_FIRST("user_id = ?3 AND "));
DB_STATEMENT(select_of_order, "SELECT", "notifications", NEWEST_FIRST("order_id = ?3 AND "));
DB_STATEMENT(select_of_both, "SELECT", "notifications", NEWEST_FIRST("+user_id = ?3 AND order_id = ?4 AND "));
DB_STATEMENT(select_one, "SELECT", "notifications", "SELECT " COLUMNS " FROM notifications WHERE id = ?1");
DB_STATEMENT(select_event, "SELECT", "notifications", "SELECT " COLUMNS " FROM notifications WHERE event_id = ?1");
DB_STATEMENT(insert_notification, "INSERT", "notifications",
	     "INSERT INTO notifications (event_id, user_id, order_id, channel, message, created_at)"
	     " VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (event_id) DO NOTHING");

/* ---- rows and JSON ---- */

static void read_notification(struct db_query *q, struct notification *n)
{
	n->id = db_int(q, 0);
	db_copy(q, 1, n->event_id, sizeof(n->event_id));
	n->user_id = db_int(q, 2);
	n->order_id = db_int(q, 3);
	db_copy(q, 4, n->channel, sizeof(n->channel));
	db_copy(q, 5, n->message, sizeof(n->message));
	db_copy(q, 6, n->status, sizeof(n->status));
	db_copy(q, 7, n->created_at, sizeof(n->created_at));
}

/* Ends a query of one row. */
static enum db_result end_with_notification(struct db_query *q, struct notification *n)
{
	bool found = db_next(q);
	if (found)
		read_notification(q, n);
	enum db_result result = db_end(q);
	return result == DB_OK && !found ? DB_NOT_FOUND : result;
}

static void write_notification(struct json_writer *json, const struct notification *n)
{
	json_begin_object(json);
	json_member_int(json, "id", n->id);
	json_member_text(json, "event_id", n->event_id);
	json_member_int(json, "user_id", n->user_id);
	json_member_int(json, "order_id", n->order_id);
	json_member_text(json, "channel", n->channel);
	json_member_text(json, "message", n->message);
	json_member_text(json, "status", n->status);
	json_member_text(json, "created_at", n->created_at);
	json_end_object(json);
}

static void reply_notification(const struct request *req, struct reply *reply, int status, const struct notification *n)
{
	write_notification(reply_writer(reply), n);
	reply_resource(reply, req, status);
}

/* ---- handlers ---- */

/* GET /api/v1/notifications?user_id=&order_id=&limit=&cursor= */
static void list_notifications(struct request *req, struct reply *reply)
{
	int64_t user_id = 0, order_id = 0;
	struct form form;
	struct page page;
	struct list list;
	struct db_query q;
	struct notification n;

	form_query(&form, req, reply);
	form_int(&form, "user_id", FORM_OPTIONAL, 1, REQUEST_ID_MAX, &user_id);
	form_int(&form, "order_id", FORM_OPTIONAL, 1, REQUEST_ID_MAX, &order_id);
	form_page(&form, &page);
	if (!form_end(&form))
		return;

	if (user_id)
		db_query(&q, request_db(req), order_id ? &select_of_both : &select_of_user);
	else
		db_query(&q, request_db(req), order_id ? &select_of_order : &select_all);
	db_bind_int(&q, page.cursor ? page.cursor : INT64_MAX);
	db_bind_int(&q, page.limit + 1);
	if (user_id)
		db_bind_int(&q, user_id);
	if (order_id)
		db_bind_int(&q, order_id);
	list_start(&list, reply, &page);
	while (db_next(&q) && list_add(&list, db_int(&q, 0))) {
		read_notification(&q, &n);
		write_notification(reply_writer(reply), &n);
	}
	list_end(&list, db_end(&q));
}

/* GET /api/v1/notifications/{id} */
static void get_notification(struct request *req, struct reply *reply)
{
	struct db_query q;
	struct notification n;
	int64_t id;

	if (!request_id(req, &id))
		return reply_problem(reply, 404, "There is no such notification.");

	db_query(&q, request_db(req), &select_one);
	db_bind_int(&q, id);
	enum db_result result = end_with_notification(&q, &n);
	if (result == DB_NOT_FOUND)
		return reply_problem(reply, 404, "There is no such notification.");
	if (result != DB_OK)
		return reply_database(reply, result);
	reply_notification(req, reply, 200, &n);
}

/* An event of which a sender wants a user to be told. */
struct event {
	struct slice id, message;
	int64_t user_id, order_id;
	const char *channel;
	struct notification notification; /* as it is stored */
	bool is_new;
};

/* A sender that has not seen our answer sends its event again, which finds the notification of the first time. */
static enum db_result store_event(struct db_connection *tx, void *arg)
{
	struct event *event = arg;
	char now[DB_TIME_SIZE];
	struct db_query q;

	db_time(db_now_ms(), now);
	db_query(&q, tx, &insert_notification);
	db_bind_text(&q, event->id.data);
	db_bind_int(&q, event->user_id);
	db_bind_int(&q, event->order_id);
	db_bind_text(&q, event->channel);
	db_bind_text(&q, event->message.data);
	db_bind_text(&q, now);
	enum db_result result = db_end(&q);
	if (result != DB_OK)
		return result;
	event->is_new = db_changes(tx) == 1;

	db_query(&q, tx, &select_event);
	db_bind_text(&q, event->id.data);
	return end_with_notification(&q, &event->notification);
}

/* POST /api/v1/notifications {"event_id":…,"user_id":1,"order_id":2,"channel":"email","message":…} -> 201, or 200 when
 * the event is known */
static void create_notification(struct request *req, struct reply *reply)
{
	struct event event;
	struct form form;

	form_body(&form, req, reply);
	form_text(&form, "event_id", FORM_REQUIRED, 36, 36, &event.id);
	form_int(&form, "user_id", FORM_REQUIRED, 1, REQUEST_ID_MAX, &event.user_id);
	form_int(&form, "order_id", FORM_REQUIRED, 1, REQUEST_ID_MAX, &event.order_id);
	form_choice(&form, "channel", FORM_REQUIRED, channels, &event.channel);
	form_text(&form, "message", FORM_REQUIRED, 1, 1000, &event.message);
	if (!form_end(&form))
		return;

	enum db_result result = request_write(req, &insert_notification, store_event, &event);
	if (result != DB_OK)
		return reply_database(reply, result);

	if (event.is_new)
		tel_series_add(tel_series(&notifications_sent, event.channel), 1);
	reply_header(reply, "Location", "/api/v1/notifications/%" PRId64, event.notification.id);
	return reply_notification(req, reply, event.is_new ? 201 : 200, &event.notification);
}

static const struct route routes[] = {
	{"GET", "/api/v1/notifications", list_notifications, 0},
	{"POST", "/api/v1/notifications", create_notification, ROUTE_INTERNAL},
	{"GET", "/api/v1/notifications/{id}", get_notification, 0},
	{0},
};

/* Exposes every channel from the start, since a rate needs the zero before the first notification. */
static int expose_channels(struct database *database)
{
	(void)database;
	for (const char *const *channel = channels; *channel; channel++)
		tel_series(&notifications_sent, *channel);
	return 0;
}

static const struct app app = {
	.service_name = "notification-service",
	.database = "notifications",
	.routes = routes,
	.start = expose_channels,
};

int main(int argc, char **argv)
{
	return app_main(&app, argc, argv);
}
