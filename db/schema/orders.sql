-- SPDX-License-Identifier: MIT
-- The orders' database. Every step runs once, in its own transaction, and is counted by PRAGMA user_version;
-- on a new database all of them and the seed run in one. A step that was released is never changed: add the next one.

-- step 1: orders, with the two tables that commit together with an order
CREATE TABLE orders (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id      INTEGER NOT NULL, -- lives in another service's database: no foreign key
    product      TEXT    NOT NULL CHECK (length(product) BETWEEN 1 AND 200),
    amount_cents INTEGER NOT NULL CHECK (amount_cents BETWEEN 1 AND 100000000),
    status       TEXT    NOT NULL DEFAULT 'created' CHECK (status IN ('created', 'cancelled')),
    created_at   TEXT    NOT NULL CHECK (created_at LIKE '____-__-__T__:__:__.___Z') -- RFC 3339, UTC
) STRICT;

-- One index for each filter of the list. An index ends in the id, so each is also in the list's order.
CREATE INDEX orders_user ON orders (user_id);
CREATE INDEX orders_status ON orders (status);
CREATE INDEX orders_user_status ON orders (user_id, status);

-- Messages that the notification service must get. An order without an undelivered row here is notified.
CREATE TABLE outbox (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    order_id        INTEGER NOT NULL REFERENCES orders (id),
    event_id        TEXT    NOT NULL,           -- UUID: the receiver takes each one once
    payload         TEXT    NOT NULL,           -- JSON, as it is sent
    traceparent     TEXT    NOT NULL,           -- of the request that stored it; '' when it had none
    attempts        INTEGER NOT NULL DEFAULT 0, -- that failed
    next_attempt_ms INTEGER NOT NULL,           -- Unix time
    created_at      TEXT    NOT NULL,
    delivered_at    TEXT                        -- NULL: pending. The row goes 24 h after
) STRICT;

CREATE INDEX outbox_pending ON outbox (order_id) WHERE delivered_at IS NULL;
CREATE INDEX outbox_due ON outbox (next_attempt_ms) WHERE delivered_at IS NULL;
CREATE INDEX outbox_delivered ON outbox (delivered_at) WHERE delivered_at IS NOT NULL;

-- Idempotency-Key headers of stored orders, for 24 h.
CREATE TABLE idempotency (
    key         TEXT    NOT NULL PRIMARY KEY,
    resource_id INTEGER NOT NULL, -- the order
    created_at  TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_age ON idempotency (created_at);

-- step 2: the time by which the outbox and the keys age, so that it goes on after a stop whatever the machine's clock says
CREATE TABLE clock (
    id        INTEGER PRIMARY KEY CHECK (id = 1),
    steady_ms INTEGER NOT NULL, -- of this clock, near to Unix time
    wall_ms   INTEGER NOT NULL  -- of the machine's, at the same moment
) STRICT;
