/* SPDX-License-Identifier: MIT */
/*
 * The order service: /api/v1/orders. An order is placed in four steps: ask the user service whether the user exists,
 * store the order, tell the user through the notification service, answer the client. The message to the user commits
 * together with the order, so that the outbox relay delivers it later if the request could not.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "app/app.h"
#include "app/request_database.h"
#include "database/idempotency.h"
#include "http/call.h"
#include "http/condition.h"
#include "http/form.h"
#include "http/idempotency_key.h"
#include "outbox/outbox.h"

TEL_COUNTER(orders_created, "orders.created", "{order}", "Orders placed.");
TEL_COUNTER(orders_amount, "orders.amount", "{currency}", "Amount of the orders placed, in currency units.");
TEL_COUNTER(orders_cancelled, "orders.cancelled", "{order}", "Orders cancelled.");
TEL_GAUGE(outbox_pending, "order.outbox.pending", "{message}", "Stored messages that the receiver does not have yet.");
TEL_GAUGE(outbox_oldest, "order.outbox.oldest", "s", "Age of the oldest message that the receiver does not have yet.");

static const char *const statuses[] = {"created", "cancelled", NULL};
static const char *const new_statuses[] = {"cancelled", NULL};

struct order {
	int64_t id;
	int64_t user_id;
	char product[200 * 4 + 1]; /* characters of up to 4 bytes */
	int64_t amount_cents;
	char status[16];
	char created_at[DB_TIME_SIZE];
	bool notified;
};

/* The last column is the message that is still to be delivered, or NULL. */
#define COLUMNS                                                                                                        \
	"id, user_id, product, amount_cents, status, created_at,"                                                      \
	" (SELECT id FROM outbox WHERE order_id = orders.id AND delivered_at IS NULL)"
#define NEWEST_FIRST(filter) "SELECT " COLUMNS " FROM orders WHERE " filter "id < ?1 ORDER BY id DESC LIMIT ?2"

DB_STATEMENT(select_all, "SELECT", "orders", NEWEST_FIRST(""));
DB_STATEMENT(select_of_user, "SELECT", "orders", NEWEST_FIRST("user_id = ?3 AND "));
DB_STATEMENT(select_of_status, "SELECT", "orders", NEWEST_FIRST("status = ?3 AND "));
DB_STATEMENT(select_of_both, "SELECT", "orders", NEWEST_FIRST("user_id = ?3 AND status = ?4 AND "));
DB_STATEMENT(select_one, "SELECT", "orders", "SELECT " COLUMNS " FROM orders WHERE id = ?1");
DB_STATEMENT(insert_order, "INSERT", "orders",
	     "INSERT INTO orders (user_id, product, amount_cents, status, created_at) VALUES (?1, ?2, ?3, ?4, ?5)");
DB_STATEMENT(update_status, "UPDATE", "orders",
	     "UPDATE orders SET status = 'cancelled' WHERE id = ?1 AND status = 'created'");

/* ---- rows and JSON ---- */

static void read_order(struct db_query *q, struct order *order)
{
	int64_t pending_id = db_int(q, 6);

	order->id = db_int(q, 0);
	order->user_id = db_int(q, 1);
	db_copy(q, 2, order->product, sizeof(order->product));
	order->amount_cents = db_int(q, 3);
	db_copy(q, 4, order->status, sizeof(order->status));
	db_copy(q, 5, order->created_at, sizeof(order->created_at));
	order->notified = pending_id == 0 || outbox_is_delivered(pending_id);
}

static enum db_result find_order(struct db_connection *db, int64_t id, struct order *order)
{
	struct db_query q;

	db_query(&q, db, &select_one);
	db_bind_int(&q, id);
	bool found = db_next(&q);
	if (found)
		read_order(&q, order);
	enum db_result result = db_end(&q);
	return result == DB_OK && !found ? DB_NOT_FOUND : result;
}

static void write_order(struct json_writer *json, const struct order *order)
{
	json_begin_object(json);
	json_member_int(json, "id", order->id);
	json_member_int(json, "user_id", order->user_id);
	json_member_text(json, "product", order->product);
	json_key(json, "amount");
	json_hundredths(json, order->amount_cents);
	json_member_text(json, "status", order->status);
	json_member_text(json, "notification", order->notified ? "sent" : "pending");
	json_member_text(json, "created_at", order->created_at);
	json_end_object(json);
}

static void reply_order(const struct request *req, struct reply *reply, int status, const struct order *order)
{
	if (status == 201)
		reply_header(reply, "Location", "/api/v1/orders/%" PRId64, order->id);
	write_order(reply_writer(reply), order);
	reply_resource(reply, req, status);
}

static void refuse_order(struct reply *reply, enum db_result result)
{
	if (result == DB_NOT_FOUND)
		return reply_problem(reply, 404, "There is no such order.");
	reply_database(reply, result);
}

/* ---- placing an order ---- */

struct placement {
	struct order order;
	struct outbox_message message;
	struct idempotency_key key;
};

static enum db_result store_order(struct db_connection *tx, struct order *order)
{
	struct db_query q;

	snprintf(order->status, sizeof(order->status), "created");
	db_time(db_now_ms(), order->created_at);
	db_query(&q, tx, &insert_order);
	db_bind_int(&q, order->user_id);
	db_bind_text(&q, order->product);
	db_bind_int(&q, order->amount_cents);
	db_bind_text(&q, order->status);
	db_bind_text(&q, order->created_at);
	enum db_result result = db_end(&q);
	order->id = db_inserted_id(tx);
	return result;
}

/* The body of the request to the notification service. */
static void write_message(const struct order *order, struct outbox_message *message)
{
	char text[1024];
	struct json_writer json;
	struct buf out;

	snprintf(text, sizeof(text), "Order %" PRId64 " received: %s, %" PRId64 ".%02" PRId64, order->id,
		 order->product, order->amount_cents / 100, order->amount_cents % 100);
	buf_init_fixed(&out, message->payload, sizeof(message->payload));
	json_init(&json, &out);
	json_begin_object(&json);
	json_member_text(&json, "event_id", message->event_id);
	json_member_int(&json, "user_id", order->user_id);
	json_member_int(&json, "order_id", order->id);
	json_member_text(&json, "channel", "email");
	json_member_text(&json, "message", text);
	json_end_object(&json);
	assert(!out.failed);
	message->payload_len = out.len;
	message->subject_id = order->id;
}

/* Stores the order, the message about it and the idempotency key in one commit. */
static enum db_result store_placement(struct db_connection *tx, void *arg)
{
	struct placement *p = arg;

	enum db_result result = store_order(tx, &p->order);
	if (result != DB_OK)
		return result;
	write_message(&p->order, &p->message);
	result = outbox_add(tx, &p->message);
	if (result != DB_OK)
		return result;
	return idempotency_record(tx, &p->key, p->order.id);
}

static bool send_message(const struct request *req, const struct outbox_message *message)
{
	int status = call_post(req, "notifications", "/api/v1/notifications", message->payload, message->payload_len);

	return status == 201 || status == 200; /* 200: the service has it already */
}

static bool deliver(const struct outbox_message *message)
{
	return send_message(NULL, message);
}

/* Tries to deliver the message within the request, so that one trace shows the whole chain. */
static bool notify(const struct request *req, const struct outbox_message *message)
{
	if (send_message(req, message)) {
		outbox_delivered(message->id);
		return true;
	}
	tel_warn("notification not sent, the relay will send it", tel_int("order.id", message->subject_id));
	outbox_retry(message->id);
	return false;
}

/* Answers a request whose key was used before: with the order as it is now. */
static void repeat_answer(struct request *req, struct reply *reply, const struct order *wanted, int64_t id)
{
	struct order order;

	enum db_result result = find_order(request_db(req), id, &order);
	if (result != DB_OK)
		return refuse_order(reply, result);
	if (order.user_id != wanted->user_id || order.amount_cents != wanted->amount_cents ||
	    strcmp(order.product, wanted->product) != 0)
		return reply_problem(reply, 422, "This Idempotency-Key was used for another order.");
	reply_order(req, reply, 201, &order);
}

static void place_order(struct request *req, struct reply *reply, struct form *form, struct placement *p)
{
	int64_t known_id;

	enum db_result result = idempotency_find(request_db(req), &p->key, &known_id);
	if (result == DB_OK)
		return repeat_answer(req, reply, &p->order, known_id);
	if (result != DB_NOT_FOUND)
		return reply_database(reply, result);

	switch (call_get(req, "users", "/api/v1/users/%" PRId64, p->order.user_id)) {
	case 200: break;
	case 404: return form_refuse(form, "user_id", "is not the id of a user");
	default: return reply_unavailable(reply, "user service");
	}

	outbox_message_init(&p->message);
	result = request_write(req, &insert_order, store_placement, p);
	if (result != DB_OK)
		return reply_database(reply, result);

	tel_counter_add(&orders_created, 1);
	tel_counter_add(&orders_amount, (double)p->order.amount_cents / 100);
	tel_span_set(tel_span_current(), tel_int("order.id", p->order.id));
	p->order.notified = notify(req, &p->message);
	reply_order(req, reply, 201, &p->order);
}

static bool read_key(const struct request *req, struct idempotency_key *key)
{
	return idempotency_key_parse(request_param(req, "HTTP_IDEMPOTENCY_KEY"), key->text, sizeof(key->text),
				     &key->len);
}

/* POST /api/v1/orders {"user_id":1,"product":"Tea","amount":9.90} -> 201 with the order */
static void create_order(struct request *req, struct reply *reply)
{
	struct placement p;
	struct slice product;
	struct form form;

	if (!read_key(req, &p.key))
		return reply_problem(reply, 400, "Idempotency-Key must be a quoted string of 1 to %d ASCII characters.",
				     IDEMPOTENCY_KEY_MAX);
	form_body(&form, req, reply);
	form_int(&form, "user_id", FORM_REQUIRED, 1, REQUEST_ID_MAX, &p.order.user_id);
	form_text(&form, "product", FORM_REQUIRED, 1, 200, &product);
	form_hundredths(&form, "amount", FORM_REQUIRED, 1, 100000000, &p.order.amount_cents);
	if (!form_end(&form))
		return;
	snprintf(p.order.product, sizeof(p.order.product), "%s", product.data);

	if (!idempotency_claim(&p.key))
		return reply_problem(reply, 409, "A request with this Idempotency-Key is still running.");
	place_order(req, reply, &form, &p);
	idempotency_release(&p.key);
}

/* ---- the other handlers ---- */

/* GET /api/v1/orders?user_id=&status=&limit=&cursor= */
static void list_orders(struct request *req, struct reply *reply)
{
	int64_t user_id = 0;
	const char *status = NULL;
	struct form form;
	struct page page;
	struct list list;
	struct db_query q;
	struct order order;

	form_query(&form, req, reply);
	form_int(&form, "user_id", FORM_OPTIONAL, 1, REQUEST_ID_MAX, &user_id);
	form_choice(&form, "status", FORM_OPTIONAL, statuses, &status);
	form_page(&form, &page);
	if (!form_end(&form))
		return;

	if (user_id)
		db_query(&q, request_db(req), status ? &select_of_both : &select_of_user);
	else
		db_query(&q, request_db(req), status ? &select_of_status : &select_all);
	db_bind_int(&q, page.cursor ? page.cursor : INT64_MAX);
	db_bind_int(&q, page.limit + 1);
	if (user_id)
		db_bind_int(&q, user_id);
	if (status)
		db_bind_text(&q, status);
	list_start(&list, reply, &page);
	while (db_next(&q) && list_add(&list, db_int(&q, 0))) {
		read_order(&q, &order);
		write_order(reply_writer(reply), &order);
	}
	list_end(&list, db_end(&q));
}

/* GET /api/v1/orders/{id} */
static void get_order(struct request *req, struct reply *reply)
{
	struct order order;
	int64_t id;

	if (!request_id(req, &id))
		return refuse_order(reply, DB_NOT_FOUND);

	enum db_result result = find_order(request_db(req), id, &order);
	if (result != DB_OK)
		return refuse_order(reply, result);
	reply_order(req, reply, 200, &order);
}

struct cancellation {
	struct order order;
	struct condition condition; /* on the order before the change */
};

/* Returns DB_OK if the order is as the request's condition demands. */
static enum db_result check_condition(struct db_connection *tx, struct cancellation *c)
{
	BUF(representation, REPLY_BODY_MAX);
	struct json_writer json;

	if (!condition_is_given(&c->condition))
		return DB_OK;
	enum db_result result = find_order(tx, c->order.id, &c->order);
	if (result != DB_OK)
		return result;
	json_init(&json, &representation);
	write_order(&json, &c->order);
	return condition_holds(&c->condition, representation.data, representation.len) ? DB_OK : DB_CONFLICT;
}

static enum db_result cancel(struct db_connection *tx, void *arg)
{
	struct cancellation *c = arg;
	struct order *order = &c->order;
	struct db_query q;

	enum db_result result = check_condition(tx, c);
	if (result != DB_OK)
		return result;
	db_query(&q, tx, &update_status);
	db_bind_int(&q, order->id);
	result = db_end(&q);
	if (result != DB_OK)
		return result;
	bool cancelled = db_changes(tx) == 1;
	result = find_order(tx, order->id, order);
	return result == DB_OK && !cancelled ? DB_CONFLICT : result;
}

/* PATCH /api/v1/orders/{id} {"status":"cancelled"} -> 200 with the order */
static void patch_order(struct request *req, struct reply *reply)
{
	const char *status;
	struct cancellation c;
	struct form form;

	if (!request_id(req, &c.order.id))
		return refuse_order(reply, DB_NOT_FOUND);
	form_body(&form, req, reply);
	form_choice(&form, "status", FORM_REQUIRED, new_statuses, &status);
	if (!form_end(&form))
		return;

	condition_init(&c.condition, req);
	enum db_result result = request_write(req, &update_status, cancel, &c);
	if (c.condition.failed)
		return reply_condition_failed(reply);
	if (result == DB_CONFLICT)
		return reply_problem(reply, 409, "This order is cancelled already.");
	if (result != DB_OK)
		return refuse_order(reply, result);

	tel_counter_add(&orders_cancelled, 1);
	tel_span_set(tel_span_current(), tel_int("order.id", c.order.id));
	reply_order(req, reply, 200, &c.order);
}

static const struct route routes[] = {
	{"GET", "/api/v1/orders", list_orders, 0},
	{"POST", "/api/v1/orders", create_order, 0},
	{"GET", "/api/v1/orders/{id}", get_order, 0},
	{"PATCH", "/api/v1/orders/{id}", patch_order, 0},
	{0},
};

static const struct outbox outbox = {
	.deliver = deliver,
	.subject = "order.id",
	.pending = &outbox_pending,
	.oldest = &outbox_oldest,
};

static int start_relay(struct database *database)
{
	return outbox_start(database, &outbox);
}

static const char *const neighbours[] = {"users", "notifications", NULL};

static const struct app app = {
	.service_name = "order-service",
	.database = "orders",
	.neighbours = neighbours,
	.routes = routes,
	.start = start_relay,
	.stop = outbox_stop,
};

int main(int argc, char **argv)
{
	return app_main(&app, argc, argv);
}
