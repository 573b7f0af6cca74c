/* SPDX-License-Identifier: MIT */
/* The results of operations on a database. */
#ifndef APM_DATABASE_RESULT_H
#define APM_DATABASE_RESULT_H

enum db_result {
	DB_OK = 0,
	DB_NOT_FOUND,   /* for jobs: the row that was to be changed does not exist */
	DB_CONFLICT,    /* a UNIQUE or CHECK constraint, or a state that does not allow the change */
	DB_LATE,        /* for jobs: nobody waits for the result any more, and nothing is stored (503) */
	DB_BUSY,        /* locked for too long, or the write queue is full: try again later (503) */
	DB_UNAVAILABLE, /* the disk refuses, or the file was moved: nothing is stored, try again later (503) */
	DB_FAILED       /* the file's content or the statement is at fault; SQLite's message is in the log */
};

/* Returns the result that SQLite's extended result code stands for. */
enum db_result db_result_of(int code);

#endif
