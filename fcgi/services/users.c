/* SPDX-License-Identifier: MIT */
/* The user service: /api/v1/users. */
#include <inttypes.h>

#include "app/app.h"
#include "app/request_database.h"
#include "http/condition.h"
#include "http/form.h"

TEL_COUNTER(users_created, "users.created", "{user}", "Users created.");

struct user {
	int64_t id;
	char name[100 * 4 + 1]; /* characters of up to 4 bytes */
	char email[254 + 1];
	char created_at[DB_TIME_SIZE];
};

#define COLUMNS "id, name, email, created_at"

DB_STATEMENT(select_users, "SELECT", "users", "SELECT " COLUMNS " FROM users WHERE id > ?1 ORDER BY id LIMIT ?2");
DB_STATEMENT(select_user, "SELECT", "users", "SELECT " COLUMNS " FROM users WHERE id = ?1");
DB_STATEMENT(insert_user, "INSERT", "users",
	     "INSERT INTO users (name, email, created_at) VALUES (?1, ?2, ?3) RETURNING " COLUMNS);
DB_STATEMENT(
	update_user, "UPDATE", "users",
	"UPDATE users SET name = coalesce(?2, name), email = coalesce(?3, email) WHERE id = ?1 RETURNING " COLUMNS);
DB_STATEMENT(delete_user, "DELETE", "users", "DELETE FROM users WHERE id = ?1");

/* ---- rows and JSON ---- */

static void read_user(struct db_query *q, struct user *user)
{
	user->id = db_int(q, 0);
	db_copy(q, 1, user->name, sizeof(user->name));
	db_copy(q, 2, user->email, sizeof(user->email));
	db_copy(q, 3, user->created_at, sizeof(user->created_at));
}

/* Ends a query of one row. */
static enum db_result end_with_user(struct db_query *q, struct user *user)
{
	bool found = db_next(q);
	if (found)
		read_user(q, user);
	enum db_result result = db_end(q);
	return result == DB_OK && !found ? DB_NOT_FOUND : result;
}

static void write_user(struct json_writer *json, const struct user *user)
{
	json_begin_object(json);
	json_member_int(json, "id", user->id);
	json_member_text(json, "name", user->name);
	json_member_text(json, "email", user->email);
	json_member_text(json, "created_at", user->created_at);
	json_end_object(json);
}

static void reply_user(const struct request *req, struct reply *reply, int status, const struct user *user)
{
	write_user(reply_writer(reply), user);
	reply_resource(reply, req, status);
}

static void refuse_user(struct reply *reply, enum db_result result)
{
	switch (result) {
	case DB_NOT_FOUND: return reply_problem(reply, 404, "There is no such user.");
	case DB_CONFLICT: return reply_problem(reply, 409, "Another user has this e-mail address.");
	default: return reply_database(reply, result);
	}
}

/* ---- handlers ---- */

/* GET /api/v1/users?limit=&cursor= */
static void list_users(struct request *req, struct reply *reply)
{
	struct form form;
	struct page page;
	struct list list;
	struct db_query q;
	struct user user;

	form_query(&form, req, reply);
	form_page(&form, &page);
	if (!form_end(&form))
		return;

	db_query(&q, request_db(req), &select_users);
	db_bind_int(&q, page.cursor);
	db_bind_int(&q, page.limit + 1);
	list_start(&list, reply, &page);
	while (db_next(&q) && list_add(&list, db_int(&q, 0))) {
		read_user(&q, &user);
		write_user(reply_writer(reply), &user);
	}
	list_end(&list, db_end(&q));
}

/* GET /api/v1/users/{id} */
static void get_user(struct request *req, struct reply *reply)
{
	struct db_query q;
	struct user user;
	int64_t id;

	if (!request_id(req, &id))
		return refuse_user(reply, DB_NOT_FOUND);

	db_query(&q, request_db(req), &select_user);
	db_bind_int(&q, id);
	enum db_result result = end_with_user(&q, &user);
	if (result != DB_OK)
		return refuse_user(reply, result);
	reply_user(req, reply, 200, &user);
}

/* The members of a user that a request changes; .data is NULL for those that stay. */
struct user_change {
	int64_t id;
	struct condition condition; /* on the user as it is before */
	struct slice name, email;
	struct user user; /* as it is afterwards */
};

static enum db_result store_user(struct db_connection *tx, void *arg)
{
	struct user_change *change = arg;
	char now[DB_TIME_SIZE];
	struct db_query q;

	db_time(db_now_ms(), now);
	db_query(&q, tx, &insert_user);
	db_bind_text(&q, change->name.data);
	db_bind_text(&q, change->email.data);
	db_bind_text(&q, now);
	return end_with_user(&q, &change->user);
}

/* POST /api/v1/users {"name":"Ada","email":"ada@example.com"} -> 201 with the user */
static void create_user(struct request *req, struct reply *reply)
{
	struct user_change change;
	struct form form;

	form_body(&form, req, reply);
	form_text(&form, "name", FORM_REQUIRED, 1, 100, &change.name);
	form_email(&form, "email", FORM_REQUIRED, &change.email);
	if (!form_end(&form))
		return;

	enum db_result result = request_write(req, &insert_user, store_user, &change);
	if (result != DB_OK)
		return refuse_user(reply, result);

	tel_counter_add(&users_created, 1);
	reply_header(reply, "Location", "/api/v1/users/%" PRId64, change.user.id);
	reply_user(req, reply, 201, &change.user);
}

/* Returns DB_OK if the user is as the request's condition demands. */
static enum db_result check_condition(struct db_connection *tx, struct user_change *change)
{
	BUF(representation, REPLY_BODY_MAX);
	struct json_writer json;
	struct db_query q;

	if (!condition_is_given(&change->condition))
		return DB_OK;
	db_query(&q, tx, &select_user);
	db_bind_int(&q, change->id);
	enum db_result result = end_with_user(&q, &change->user);
	if (result != DB_OK)
		return result;
	json_init(&json, &representation);
	write_user(&json, &change->user);
	return condition_holds(&change->condition, representation.data, representation.len) ? DB_OK : DB_CONFLICT;
}

static enum db_result change_user(struct db_connection *tx, void *arg)
{
	struct user_change *change = arg;
	struct db_query q;

	enum db_result result = check_condition(tx, change);
	if (result != DB_OK)
		return result;
	db_query(&q, tx, &update_user);
	db_bind_int(&q, change->id);
	db_bind_text(&q, change->name.data);
	db_bind_text(&q, change->email.data);
	return end_with_user(&q, &change->user);
}

/* PATCH /api/v1/users/{id} {"name":…} or {"email":…} or both -> 200 with the user */
static void patch_user(struct request *req, struct reply *reply)
{
	struct user_change change;
	struct form form;

	if (!request_id(req, &change.id))
		return refuse_user(reply, DB_NOT_FOUND);
	form_body(&form, req, reply);
	form_text(&form, "name", FORM_OPTIONAL, 1, 100, &change.name);
	form_email(&form, "email", FORM_OPTIONAL, &change.email);
	if (!form_end(&form))
		return;
	if (!change.name.data && !change.email.data)
		return form_refuse(&form, "name", "or email is required");

	condition_init(&change.condition, req);
	enum db_result result = request_write(req, &update_user, change_user, &change);
	if (change.condition.failed)
		return reply_condition_failed(reply);
	if (result != DB_OK)
		return refuse_user(reply, result);
	reply_user(req, reply, 200, &change.user);
}

static enum db_result remove_user(struct db_connection *tx, void *arg)
{
	struct user_change *change = arg;
	struct db_query q;

	enum db_result result = check_condition(tx, change);
	if (result != DB_OK)
		return result;
	db_query(&q, tx, &delete_user);
	db_bind_int(&q, change->id);
	result = db_end(&q);
	return result == DB_OK && db_changes(tx) == 0 ? DB_NOT_FOUND : result;
}

/* DELETE /api/v1/users/{id} -> 204; the user's orders stay */
static void forget_user(struct request *req, struct reply *reply)
{
	struct user_change change;

	if (!request_id(req, &change.id))
		return refuse_user(reply, DB_NOT_FOUND);

	condition_init(&change.condition, req);
	enum db_result result = request_write(req, &delete_user, remove_user, &change);
	if (change.condition.failed)
		return reply_condition_failed(reply);
	if (result != DB_OK)
		return refuse_user(reply, result);
	reply_empty(reply);
}

static const struct route routes[] = {
	{"GET", "/api/v1/users", list_users, 0},          {"POST", "/api/v1/users", create_user, 0},
	{"GET", "/api/v1/users/{id}", get_user, 0},       {"PATCH", "/api/v1/users/{id}", patch_user, 0},
	{"DELETE", "/api/v1/users/{id}", forget_user, 0}, {0},
};

static const struct app app = {
	.service_name = "user-service",
	.database = "users",
	.routes = routes,
};

int main(int argc, char **argv)
{
	return app_main(&app, argc, argv);
}
