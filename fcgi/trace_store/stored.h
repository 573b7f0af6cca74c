/* SPDX-License-Identifier: MIT */
/* Reads stored traces for questions (rows.h has the other half: storing and removing). */
#ifndef APM_TRACE_STORE_STORED_H
#define APM_TRACE_STORE_STORED_H

#include "database/database.h"
#include "trace_store/trace.h"

/*
 * Takes the pieces of the trace in and finishes it; `trace` is new or reset. What is beyond its limits is cut off, and
 * the trace says so. DB_NOT_FOUND: there is none.
 */
enum db_result stored_trace(struct db_connection *db, const uint8_t trace_id[16], struct trace *trace);

#endif
