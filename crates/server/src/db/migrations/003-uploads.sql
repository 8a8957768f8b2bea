-- Large files, sent in parts. Which parts are there, the object store knows.
CREATE TABLE upload (
    id         BLOB PRIMARY KEY CHECK (length(id) = 16),
    recording  BLOB NOT NULL CHECK (length(recording) = 16),
    -- Who sends it: a token's id.
    owner      TEXT NOT NULL,
    name       TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size       INTEGER NOT NULL,
    part_size  INTEGER NOT NULL,
    -- What the object store calls it until it is whole.
    store_name TEXT NOT NULL,
    -- 0 open, 1 complete, 2 aborted.
    status     INTEGER NOT NULL DEFAULT 0 CHECK (status BETWEEN 0 AND 2),
    -- Of the whole file, once it is complete.
    sha256     BLOB CHECK (length(sha256) = 32),
    -- When somebody last asked where a part goes.
    touched_at INTEGER NOT NULL,
    -- Whether the store was told, after the last URL had expired, to forget the parts.
    cleaned    INTEGER NOT NULL DEFAULT 0 CHECK (cleaned IN (0, 1))
) STRICT, WITHOUT ROWID;
CREATE INDEX upload_uncleaned ON upload (touched_at) WHERE cleaned = 0;

-- What a part was to be when its URL was asked for last. Some stores want to be told again when the file is complete.
CREATE TABLE upload_part (
    upload BLOB NOT NULL REFERENCES upload (id),
    number INTEGER NOT NULL,
    sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
    PRIMARY KEY (upload, number)
) STRICT, WITHOUT ROWID;
