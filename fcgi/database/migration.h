/* SPDX-License-Identifier: MIT */
/*
 * The schema file holds numbered steps, each headed by a line "-- step N: what it does". PRAGMA user_version counts the
 * steps that a database has. It is read and written inside the transaction of the step, so that every step is done once
 * even if a program is killed or another one starts at the same time.
 */
#ifndef APM_DATABASE_MIGRATION_H
#define APM_DATABASE_MIGRATION_H

#include <stdbool.h>

struct db_connection;
struct refusal;

/*
 * Brings the schema up to date with $SCHEMA_DIR/NAME.sql; a new database gets $SEED_DIR/NAME.sql as well. Returns false
 * if the database is refused.
 */
bool migration_run(struct db_connection *writer, struct refusal *refusal);

#endif
