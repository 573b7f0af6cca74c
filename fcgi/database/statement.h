/* SPDX-License-Identifier: MIT */
/* The program's SQL statements. Each is declared at file scope and prepared once per connection, at its first use. */
#ifndef APM_DATABASE_STATEMENT_H
#define APM_DATABASE_STATEMENT_H

struct tel_series;

struct db_statement {
	const char *operation;  /* db.operation.name: "SELECT" */
	const char *collection; /* db.collection.name: "users" */
	const char *span_name;  /* "SELECT users" */
	const char *sql;        /* db.query.text: placeholders only, no literal of a request */
	unsigned index;
	struct tel_series *duration;
	struct db_statement *next;
};

/* DB_STATEMENT(variable, operation, collection, SQL) declares a statement, which registers itself before main. */
#define DB_STATEMENT(var, op, table, ...)                                                                              \
	static struct db_statement var = {                                                                             \
		.operation = op,                                                                                       \
		.collection = table,                                                                                   \
		.span_name = op " " table,                                                                             \
		.sql = __VA_ARGS__,                                                                                    \
	};                                                                                                             \
	__attribute__((constructor)) static void var##_register(void)                                                  \
	{                                                                                                              \
		db_statement_register(&var);                                                                           \
	}                                                                                                              \
	struct db_statement_semicolon_

/* Adds a statement, which must stay, to `db_statements`. Before threads start; DB_STATEMENT calls it. */
void db_statement_register(struct db_statement *statement);

extern struct db_statement *db_statements; /* all of them */
extern unsigned db_statement_count;

#endif
