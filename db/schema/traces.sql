-- SPDX-License-Identifier: MIT
-- The trace store's database. Every step runs once, in its own transaction, and is counted by PRAGMA user_version;
-- on a new database all of them and the seed run in one. A step that was released is never changed: add the next one.

-- step 1: spans as they came, in protobuf (opentelemetry-proto, trace/v1)
CREATE TABLE sources (
    id       INTEGER PRIMARY KEY, -- in order of arrival
    resource BLOB NOT NULL,       -- fields of ResourceSpans beside scope_spans
    scope    BLOB NOT NULL        -- fields of ScopeSpans beside spans
) STRICT;

CREATE TABLE pieces (
    id          INTEGER PRIMARY KEY, -- in order of arrival
    trace_id    BLOB    NOT NULL CHECK (length(trace_id) = 16),
    source_id   INTEGER NOT NULL,
    received_ms INTEGER NOT NULL, -- Unix time
    spans       BLOB    NOT NULL  -- fields `spans` of ScopeSpans, of one trace
) STRICT;

CREATE INDEX pieces_trace ON pieces (trace_id);

-- step 2: what is known of a trace as a whole, a resource once for all of its scopes, and a clock that never goes back
CREATE TABLE traces (
    trace_id     BLOB    NOT NULL PRIMARY KEY CHECK (length(trace_id) = 16),
    spans        INTEGER NOT NULL, -- in its pieces; 0 when step 1 stored them
    span_bytes   INTEGER NOT NULL, -- of pieces.spans
    source_bytes INTEGER NOT NULL, -- of the resources and scopes of its pieces
    cut_spans    INTEGER NOT NULL  -- that came and are not stored: over a limit (fcgi/trace_store/limits.h)
) STRICT, WITHOUT ROWID;

CREATE TABLE resources (
    id     INTEGER PRIMARY KEY, -- in order of arrival
    fields BLOB NOT NULL        -- of ResourceSpans beside scope_spans
) STRICT;

INSERT INTO resources (id, fields) SELECT id, resource FROM sources;
ALTER TABLE sources DROP COLUMN resource;
ALTER TABLE sources ADD COLUMN resource_id INTEGER NOT NULL DEFAULT 0;
UPDATE sources SET resource_id = id;

-- the lowest source_id of the same request: of no piece that came later is it lower
ALTER TABLE pieces ADD COLUMN sources_from INTEGER NOT NULL DEFAULT 0;

DELETE FROM pieces WHERE trace_id IN
    (SELECT trace_id FROM pieces WHERE source_id NOT IN (SELECT id FROM sources));
INSERT INTO traces SELECT trace_id, 0, sum(length(spans)), 0, 0 FROM pieces GROUP BY trace_id;

UPDATE pieces SET received_ms = CAST(strftime('%s', 'now') AS INTEGER) * 1000
    WHERE received_ms > CAST(strftime('%s', 'now') AS INTEGER) * 1000;

-- pieces.received_ms is the store's time: the wall clock with this added
CREATE TABLE clock (
    id        INTEGER PRIMARY KEY CHECK (id = 1),
    offset_ms INTEGER NOT NULL
) STRICT;

INSERT INTO clock VALUES (1, 0);

-- step 3: the clock is kept as in other databases (fcgi/database/steady_clock.h); pieces.received_ms is its time
ALTER TABLE clock RENAME COLUMN offset_ms TO steady_ms;
ALTER TABLE clock ADD COLUMN wall_ms INTEGER NOT NULL DEFAULT 0;
UPDATE clock SET wall_ms = CAST(strftime('%s', 'now') AS INTEGER) * 1000;
UPDATE clock SET steady_ms = steady_ms + wall_ms;
