/* SPDX-License-Identifier: MIT */
/* A JSON body, read as a form with fields of every kind; what comes out keeps what form.h promises. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_lex.h"
#include "base/utf8.h"
#include "http/form.h"
#include "http/json_body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fields {
	struct slice name, email;
	int64_t id, amount;
	const char *word;
};

static void read_form(struct form *form, struct fields *out)
{
	static const char *const words[] = {"created", "cancelled", NULL};

	*out = (struct fields){.id = 1, .amount = 1, .word = words[0]};
	form_text(form, "name", FORM_OPTIONAL, 1, 100, &out->name);
	form_email(form, "email", FORM_OPTIONAL, &out->email);
	form_int(form, "user_id", FORM_OPTIONAL, 1, REQUEST_ID_MAX, &out->id);
	form_hundredths(form, "amount", FORM_OPTIONAL, 1, 100000000, &out->amount);
	form_choice(form, "status", FORM_OPTIONAL, words, &out->word);
}

static void check_text(const struct slice *text, size_t max)
{
	if (!text->data)
		return;
	assert(strlen(text->data) == text->len);
	assert(utf8_valid(text->data, text->len) && !utf8_has_control(text->data, text->len));
	size_t length = utf8_length(text->data, text->len);
	assert(length >= 1 && length <= max);
}

/* A problem is JSON of the strict kind itself. */
static void check_problem(const struct reply *reply)
{
	BUF(text, 1 << 20);
	struct json_lex lex;
	enum json_token token;

	assert(reply->status == 400 || reply->status == 422);
	assert(utf8_valid(reply->body.data, reply->body.len));
	json_lex_begin(&lex, reply->body.data, reply->body.len);
	while ((token = json_lex_next(&lex)) > JSON_LEX_END)
		if (token == JSON_LEX_NAME || token == JSON_LEX_STRING)
			assert(json_lex_text(&lex, &text));
	assert(token == JSON_LEX_END && !memchr(text.data, '\0', text.len));
	assert(utf8_valid(reply->reason, strlen(reply->reason)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reply reply;
	struct form form;
	struct fields fields;

	if (size > REQUEST_BODY_MAX)
		return 0;
	char *body = malloc(size + 1);
	memcpy(body, data, size);
	body[size] = '\0';
	struct request req = {.content_type = "application/json", .body = body, .body_len = size, .query = ""};
	reply_init(&reply);
	form_body(&form, &req, &reply);
	read_form(&form, &fields);
	bool well = form_end(&form);
	assert(well == (reply.status == 0));
	if (!well)
		check_problem(&reply);
	check_text(&fields.name, 100);
	check_text(&fields.email, 254);
	assert(fields.id >= 1 && fields.id <= REQUEST_ID_MAX);
	assert(fields.amount >= 1 && fields.amount <= 100000000);
	request_done(&req);
	reply_done(&reply);
	free(body);
	return 0;
}
