-- SPDX-License-Identifier: MIT
-- The orders' database. PRAGMA user_version counts the steps that it has. An older database gets each
-- missing step in a transaction of its own, a new one gets all steps and the seed in a single transaction. Never change
-- a step that was released: add the next one.

-- step 1: orders, with the two tables that commit together with an order
CREATE TABLE orders (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id      INTEGER NOT NULL, -- lives in another service's database: no foreign key
    product      TEXT    NOT NULL CHECK (length(product) BETWEEN 1 AND 200),
    amount_cents INTEGER NOT NULL CHECK (amount_cents BETWEEN 1 AND 100000000),
    status       TEXT    NOT NULL DEFAULT 'created' CHECK (status IN ('created', 'cancelled')),
    created_at   TEXT    NOT NULL CHECK (created_at LIKE '____-__-__T__:__:__.___Z') -- RFC 3339, UTC
) STRICT;

-- Each filter of the list has an index. Indexes end with the row's id, so they are also in the order of the list.
CREATE INDEX orders_user ON orders (user_id);
CREATE INDEX orders_status ON orders (status);
CREATE INDEX orders_user_status ON orders (user_id, status);

-- Messages for the notification service. When an order has no undelivered row here, its user was notified.
CREATE TABLE outbox (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    order_id        INTEGER NOT NULL REFERENCES orders (id),
    event_id        TEXT    NOT NULL,           -- UUID; the receiver takes each one once
    payload         TEXT    NOT NULL,           -- JSON, as it is sent
    traceparent     TEXT    NOT NULL,           -- of the request that stored it, '' when it had none
    attempts        INTEGER NOT NULL DEFAULT 0, -- failed ones
    next_attempt_ms INTEGER NOT NULL,           -- by the clock below
    created_at      TEXT    NOT NULL,
    delivered_at    TEXT                        -- NULL while it is pending; the row is removed 24 h later
) STRICT;

CREATE INDEX outbox_pending ON outbox (order_id) WHERE delivered_at IS NULL;
CREATE INDEX outbox_due ON outbox (next_attempt_ms) WHERE delivered_at IS NULL;
CREATE INDEX outbox_delivered ON outbox (delivered_at) WHERE delivered_at IS NOT NULL;

-- Idempotency-Key headers of stored orders, which are kept for 24 h.
CREATE TABLE idempotency (
    key         TEXT    NOT NULL PRIMARY KEY,
    resource_id INTEGER NOT NULL, -- the order
    created_at  TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_age ON idempotency (created_at);

-- step 2: the database's clock (fcgi/database/steady_clock.h), by which messages and keys age
CREATE TABLE clock (
    id        INTEGER PRIMARY KEY CHECK (id = 1),
    steady_ms INTEGER NOT NULL, -- its time, close to Unix time
    wall_ms   INTEGER NOT NULL  -- the machine's Unix time at the same moment
) STRICT;
