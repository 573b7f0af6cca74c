-- SPDX-License-Identifier: MIT
-- The notifications' database. Every step runs once, in its own transaction, and is counted by PRAGMA user_version;
-- on a new database all of them and the seed run in one. A step that was released is never changed: add the next one.

-- step 1: notifications
CREATE TABLE notifications (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id   TEXT    NOT NULL UNIQUE, -- the sender may repeat an event: it is taken once
    user_id    INTEGER NOT NULL,
    order_id   INTEGER NOT NULL,
    channel    TEXT    NOT NULL CHECK (channel IN ('email', 'sms', 'push')),
    message    TEXT    NOT NULL CHECK (length(message) BETWEEN 1 AND 1000),
    status     TEXT    NOT NULL DEFAULT 'sent' CHECK (status IN ('sent', 'failed')),
    created_at TEXT    NOT NULL CHECK (created_at LIKE '____-__-__T__:__:__.___Z') -- RFC 3339, UTC
) STRICT;

-- One index for each filter of the list. An index ends in the id, so each is also in the list's order.
CREATE INDEX notifications_user ON notifications (user_id);
CREATE INDEX notifications_order ON notifications (order_id);
