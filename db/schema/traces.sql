-- SPDX-License-Identifier: MIT
-- The trace store's database. PRAGMA user_version counts the steps that it has. An older database gets each
-- missing step in a transaction of its own, a new one gets all steps and the seed in a single transaction. Never change
-- a step that was released: add the next one.

-- step 1: spans as they came, in protobuf (opentelemetry-proto, trace/v1)
CREATE TABLE sources (
    id       INTEGER PRIMARY KEY, -- in the order of arrival
    resource BLOB NOT NULL,       -- the fields of ResourceSpans but scope_spans
    scope    BLOB NOT NULL        -- the fields of ScopeSpans but spans
) STRICT;

CREATE TABLE pieces (
    id          INTEGER PRIMARY KEY, -- in the order of arrival
    trace_id    BLOB    NOT NULL CHECK (length(trace_id) = 16),
    source_id   INTEGER NOT NULL,
    received_ms INTEGER NOT NULL, -- Unix time
    spans       BLOB    NOT NULL  -- fields `spans` of ScopeSpans, of one trace
) STRICT;

CREATE INDEX pieces_trace ON pieces (trace_id);

-- step 2: a row for each trace, each resource once for all of its scopes, and a clock that never goes back
CREATE TABLE traces (
    trace_id     BLOB    NOT NULL PRIMARY KEY CHECK (length(trace_id) = 16),
    spans        INTEGER NOT NULL, -- in its pieces; 0 when step 1 stored them
    span_bytes   INTEGER NOT NULL, -- of pieces.spans
    source_bytes INTEGER NOT NULL, -- of the resources and scopes of its pieces
    cut_spans    INTEGER NOT NULL  -- that came but were over a limit (fcgi/trace_store/limits.h), and are not stored
) STRICT, WITHOUT ROWID;

CREATE TABLE resources (
    id     INTEGER PRIMARY KEY, -- in the order of arrival
    fields BLOB NOT NULL        -- of ResourceSpans, but not scope_spans
) STRICT;

INSERT INTO resources (id, fields) SELECT id, resource FROM sources;
ALTER TABLE sources DROP COLUMN resource;
ALTER TABLE sources ADD COLUMN resource_id INTEGER NOT NULL DEFAULT 0;
UPDATE sources SET resource_id = id;

-- the lowest source_id of the same request; pieces that came later have none that is lower
ALTER TABLE pieces ADD COLUMN sources_from INTEGER NOT NULL DEFAULT 0;

DELETE FROM pieces WHERE trace_id IN
    (SELECT trace_id FROM pieces WHERE source_id NOT IN (SELECT id FROM sources));
INSERT INTO traces SELECT trace_id, 0, sum(length(spans)), 0, 0 FROM pieces GROUP BY trace_id;

UPDATE pieces SET received_ms = CAST(strftime('%s', 'now') AS INTEGER) * 1000
    WHERE received_ms > CAST(strftime('%s', 'now') AS INTEGER) * 1000;

-- pieces.received_ms is the time of this clock: the wall clock's and the offset
CREATE TABLE clock (
    id        INTEGER PRIMARY KEY CHECK (id = 1),
    offset_ms INTEGER NOT NULL
) STRICT;

INSERT INTO clock VALUES (1, 0);

-- step 3: the clock is kept as in other databases (fcgi/database/steady_clock.h)
ALTER TABLE clock RENAME COLUMN offset_ms TO steady_ms;
ALTER TABLE clock ADD COLUMN wall_ms INTEGER NOT NULL DEFAULT 0;
UPDATE clock SET wall_ms = CAST(strftime('%s', 'now') AS INTEGER) * 1000;
UPDATE clock SET steady_ms = steady_ms + wall_ms;
