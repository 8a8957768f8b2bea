-- Times are milliseconds since 1970. Ids are the 16 bytes of their UUID, hashes the 32 of SHA-256.

CREATE TABLE recording (
    number      INTEGER PRIMARY KEY,
    id          BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    -- Who made it: a token's id.
    owner       TEXT NOT NULL,
    title       TEXT NOT NULL,
    description TEXT NOT NULL,
    recorder    TEXT NOT NULL,
    -- Free keys and values, a JSON object.
    metadata    TEXT NOT NULL,
    -- All texts in lower case, to search in.
    words       TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    -- 0 recording, 1 uploading, 2 ready: made of its sessions' phases, in the same transactions.
    status      INTEGER NOT NULL DEFAULT 0 CHECK (status BETWEEN 0 AND 2),
    -- Its row stays, so that its id is never used again; texts, sessions' manifests and objects' rows go.
    deleted_at  INTEGER,
    -- Counts changes of what its metadata.json says, and which of them the object store has.
    revision    INTEGER NOT NULL DEFAULT 1,
    written     INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX recording_newest ON recording (created_at, number) WHERE deleted_at IS NULL;
CREATE INDEX recording_unwritten ON recording (number) WHERE revision > written AND deleted_at IS NULL;

CREATE TABLE session (
    number        INTEGER PRIMARY KEY,
    id            BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    recording     INTEGER NOT NULL REFERENCES recording (number),
    started_at    INTEGER NOT NULL,
    agent         TEXT NOT NULL,
    os            TEXT NOT NULL,
    -- 0 active, 1 finalizing, 2 done.
    phase         INTEGER NOT NULL DEFAULT 0 CHECK (phase BETWEEN 0 AND 2),
    -- Finalizing because of silence.
    provisional   INTEGER NOT NULL DEFAULT 0 CHECK (provisional IN (0, 1)),
    -- When the recorder was last heard of, and what it said then.
    seen_at       INTEGER NOT NULL,
    sealed        INTEGER NOT NULL DEFAULT 0,
    confirmed     INTEGER NOT NULL DEFAULT 0,
    gaps          INTEGER NOT NULL DEFAULT 0,
    lag_ms        INTEGER NOT NULL DEFAULT 0,
    -- Sums over its objects that are here.
    objects       INTEGER NOT NULL DEFAULT 0 CHECK (objects >= 0),
    chunks        INTEGER NOT NULL DEFAULT 0 CHECK (chunks >= 0),
    bytes         INTEGER NOT NULL DEFAULT 0 CHECK (bytes >= 0),
    -- The recorder's manifest as JSON, and its hash; set once.
    manifest      BLOB,
    manifest_hash BLOB CHECK (length(manifest_hash) = 32),
    -- Since when all objects are being looked at again, while that is unfinished.
    verifying     INTEGER,
    revision      INTEGER NOT NULL DEFAULT 1,
    written       INTEGER NOT NULL DEFAULT 0,
    CHECK ((manifest IS NULL) = (manifest_hash IS NULL)),
    CHECK (phase < 2 OR manifest_hash IS NOT NULL)
) STRICT;
CREATE INDEX session_recording ON session (recording);
CREATE INDEX session_active ON session (seen_at) WHERE phase = 0;
CREATE INDEX session_unwritten ON session (number) WHERE revision > written;

-- Which object an index is. A row comes with the confirmation or with the manifest, and from then on the index is
-- taken: nothing but these bytes is accepted for it.
CREATE TABLE object (
    session    INTEGER NOT NULL REFERENCES session (number),
    track      TEXT NOT NULL,
    -- From 1; 0 for init segments, of which there may be several.
    "index"    INTEGER NOT NULL CHECK ("index" >= 0),
    sha256     BLOB NOT NULL CHECK (length(sha256) = 32),
    size       INTEGER NOT NULL CHECK (size > 0),
    span_start INTEGER,
    span_end   INTEGER,
    init       BLOB,
    -- How its bytes are known to be here and right: 0 read back, 1 by the store. None: they are not.
    vouched    INTEGER CHECK (vouched IN (0, 1)),
    -- What the manifest says: 0 nothing (yet), 1 it must be here, 2 the recorder has lost it.
    part       INTEGER NOT NULL DEFAULT 0 CHECK (part BETWEEN 0 AND 2),
    -- When it was last looked at in the store.
    checked_at INTEGER NOT NULL,
    PRIMARY KEY (session, track, "index", sha256)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX object_once ON object (session, track, "index") WHERE "index" > 0;
CREATE INDEX object_missing ON object (session) WHERE vouched IS NULL;

-- A deleted recording whose objects are still to be deleted from the store.
CREATE TABLE deletion (
    recording INTEGER PRIMARY KEY REFERENCES recording (number),
    due_at    INTEGER NOT NULL,
    -- The last look comes after every signed PUT has expired.
    last      INTEGER NOT NULL DEFAULT 0 CHECK (last IN (0, 1))
) STRICT;
CREATE INDEX deletion_due ON deletion (due_at);
