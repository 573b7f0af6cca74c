-- SPDX-License-Identifier: MIT
-- The notifications' database. PRAGMA user_version counts the steps that it has. An older database gets each
-- missing step in a transaction of its own, a new one gets all steps and the seed in a single transaction. Never change
-- a step that was released: add the next one.

-- step 1: notifications
CREATE TABLE notifications (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id   TEXT    NOT NULL UNIQUE, -- each event is stored once, also when the sender repeats it
    user_id    INTEGER NOT NULL,
    order_id   INTEGER NOT NULL,
    channel    TEXT    NOT NULL CHECK (channel IN ('email', 'sms', 'push')),
    message    TEXT    NOT NULL CHECK (length(message) BETWEEN 1 AND 1000),
    status     TEXT    NOT NULL DEFAULT 'sent' CHECK (status IN ('sent', 'failed')),
    created_at TEXT    NOT NULL CHECK (created_at LIKE '____-__-__T__:__:__.___Z') -- RFC 3339, UTC
) STRICT;

-- Each filter of the list has an index. Indexes end with the row's id, so they are also in the order of the list.
CREATE INDEX notifications_user ON notifications (user_id);
CREATE INDEX notifications_order ON notifications (order_id);
