-- SPDX-License-Identifier: MIT
-- The users' database. PRAGMA user_version counts the steps that it has. An older database gets each
-- missing step in a transaction of its own, a new one gets all steps and the seed in a single transaction. Never change
-- a step that was released: add the next one.

-- step 1: users
CREATE TABLE users (
    id         INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice, since orders keep the id of a deleted user
    name       TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    email      TEXT NOT NULL UNIQUE COLLATE NOCASE CHECK (email LIKE '_%@_%'),
    created_at TEXT NOT NULL CHECK (created_at LIKE '____-__-__T__:__:__.___Z') -- RFC 3339, UTC
) STRICT;
