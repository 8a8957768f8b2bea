-- The index. Every row carries the first eight bytes of the SHA-256 of its other columns (`sum`), since SQLite finds
-- damage to its own structure but not to what is in it.

CREATE TABLE store (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    sum BLOB NOT NULL
) WITHOUT ROWID;

-- Ids are UUIDs of version 7: in their order is in order of creation.
CREATE TABLE sessions (
    id BLOB PRIMARY KEY,
    recording BLOB NOT NULL,
    -- 1 while it is being recorded, or still to be put in order once its key is here.
    open INTEGER NOT NULL,
    -- The very text of session.json.
    document TEXT NOT NULL,
    chunks INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    span_start INTEGER NOT NULL,
    span_end INTEGER NOT NULL,
    sum BLOB NOT NULL
) WITHOUT ROWID;

CREATE INDEX sessions_by_recording ON sessions (recording);

CREATE INDEX sessions_open ON sessions (open) WHERE open = 1;

CREATE TABLE inits (
    session BLOB NOT NULL,
    track TEXT NOT NULL,
    hash BLOB NOT NULL,
    bytes BLOB NOT NULL,
    sum BLOB NOT NULL,
    PRIMARY KEY (session, track, hash)
) WITHOUT ROWID;

CREATE TABLE chunks (
    session BLOB NOT NULL,
    track TEXT NOT NULL,
    number INTEGER NOT NULL,
    init BLOB NOT NULL,
    span_start INTEGER NOT NULL,
    span_end INTEGER NOT NULL,
    size INTEGER NOT NULL,
    hash BLOB NOT NULL,
    -- Part and sample marks: see marks.rs.
    marks BLOB NOT NULL,
    sum BLOB NOT NULL,
    PRIMARY KEY (session, track, number)
) WITHOUT ROWID;
