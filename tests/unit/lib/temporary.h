/* SPDX-License-Identifier: MIT */
/* A directory of its own for a test, which is emptied and removed after it, and small files in it. */
#ifndef APM_TESTS_TEMPORARY_H
#define APM_TESTS_TEMPORARY_H

extern char temporary[256]; /* the directory's path */

/* Set up and tear down a test. */
int temporary_setup(void **state);
int temporary_teardown(void **state);

/* Returns the path of a file there, in one of 8 buffers, in turn. */
const char *in_temporary(const char *name);

/* Adds to a file, which is made when absent. */
void append_to(const char *name, const char *text);

/* Renames a file. */
void move(const char *from, const char *to);

#endif
