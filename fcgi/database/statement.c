/* SPDX-License-Identifier: MIT */
#include "database/statement.h"

struct db_statement *db_statements;
unsigned db_statement_count;

void db_statement_register(struct db_statement *statement)
{
	statement->index = db_statement_count++;
	statement->next = db_statements;
	db_statements = statement;
}
