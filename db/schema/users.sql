-- SPDX-License-Identifier: MIT
-- The users' database. Every step runs once, in its own transaction, and is counted by PRAGMA user_version;
-- on a new database all of them and the seed run in one. A step that was released is never changed: add the next one.

-- step 1: users
CREATE TABLE users (
    id         INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice: orders keep the id of a deleted user
    name       TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    email      TEXT NOT NULL UNIQUE COLLATE NOCASE CHECK (email LIKE '_%@_%'),
    created_at TEXT NOT NULL CHECK (created_at LIKE '____-__-__T__:__:__.___Z') -- RFC 3339, UTC
) STRICT;
