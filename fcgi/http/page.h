/* SPDX-License-Identifier: MIT */
/* A page of a list, ?limit=&cursor=: see form_page. */
#ifndef APM_HTTP_PAGE_H
#define APM_HTTP_PAGE_H

#include <stdbool.h>
#include <stdint.h>

struct page {
	int64_t limit;  /* 1..100, default 20 */
	int64_t cursor; /* the id of the last item that was seen; 0: from the start */
};

#define PAGE_CURSOR_SIZE 25

/*
 * Writes the cursor of an id into `out` (PAGE_CURSOR_SIZE bytes). Its check digits refuse what is not a cursor; they
 * are no secret, since a forged cursor only starts the list elsewhere.
 */
void page_cursor(int64_t id, char *out);

/* Reads a cursor. Returns false if page_cursor has not made it, or not of an id within 1..REQUEST_ID_MAX. */
bool page_cursor_parse(const char *text, int64_t *id);

#endif
