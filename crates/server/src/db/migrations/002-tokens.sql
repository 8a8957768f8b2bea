-- Refresh secrets that were given out. A revoked one stays, so that its owner's recordings can be given a new one.
CREATE TABLE token (
    id         BLOB PRIMARY KEY CHECK (length(id) = 16),
    -- SHA-256 of the secret; the secret itself is nowhere.
    sha256     BLOB NOT NULL CHECK (length(sha256) = 32),
    label      TEXT NOT NULL,
    -- Sum of 1 record, 2 read, 4 admin.
    scopes     INTEGER NOT NULL CHECK (scopes BETWEEN 1 AND 7),
    -- Whose recordings it makes: its own id, or that of an earlier token of the same device.
    owner      TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    used_at    INTEGER,
    revoked_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX token_label ON token (label, created_at);
