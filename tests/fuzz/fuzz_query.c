/* SPDX-License-Identifier: MIT */
/* A query string: parameters, pages and cursors. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "http/form.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void find(const char *query, const char *name, size_t room)
{
	char *out = malloc(room); /* exactly as large, for ASan */

	if (query_find(query, name, out, room) == 1)
		assert(strlen(out) < room);
	free(out);
}

static void read_as_form(const char *query)
{
	static const char *const words[] = {"created", "cancelled", NULL};
	struct request req = {.query = query};
	struct reply reply;
	struct form form;
	struct slice text;
	struct page page;
	int64_t user = 1;
	const char *word = words[0];

	reply_init(&reply);
	form_query(&form, &req, &reply);
	form_page(&form, &page);
	form_int(&form, "user_id", FORM_OPTIONAL, 1, REQUEST_ID_MAX, &user);
	form_text(&form, "q", FORM_OPTIONAL, 0, 100, &text);
	form_choice(&form, "status", FORM_OPTIONAL, words, &word);
	bool well = form_end(&form);
	assert(well == (reply.status == 0));
	assert(page.limit >= 1 && page.limit <= 100 && page.cursor >= 0);
	assert(user >= 1 && user <= REQUEST_ID_MAX);
	assert(!text.data || (utf8_valid(text.data, text.len) && !utf8_has_control(text.data, text.len)));
	assert(well || utf8_valid(reply.body.data, reply.body.len));
	if (page.cursor) {
		char cursor[PAGE_CURSOR_SIZE];
		int64_t again = 0;
		page_cursor(page.cursor, cursor);
		assert(page_cursor_parse(cursor, &again) && again == page.cursor);
	}
	reply_done(&reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *query = malloc(size + 1);

	memcpy(query, data, size);
	query[size] = '\0';
	find(query, "limit", 1);
	find(query, "limit", 4);
	find(query, "cursor", 100);
	find(query, "", 100);
	read_as_form(query);
	free(query);
	return 0;
}
