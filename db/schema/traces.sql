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
