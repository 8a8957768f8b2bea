-- How far sessions have come on their way to a server. Nobody else here knows it: where the index is lost, the server is
-- asked again.
CREATE TABLE uploads (
    session BLOB PRIMARY KEY,
    -- 1 where somebody asked for this session by name.
    wanted INTEGER NOT NULL,
    -- 1 where the receipt says that all of it is there.
    complete INTEGER NOT NULL,
    -- The address of the server that all but the first column and what is lost holds for.
    server TEXT NOT NULL,
    -- The document that its manifest has, once that may have been sent: a second one would be refused.
    manifest TEXT,
    -- As the server said it.
    receipt TEXT,
    -- What the rows of `settled` add up to.
    chunks INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    lost INTEGER NOT NULL,
    sum BLOB NOT NULL
) WITHOUT ROWID;

-- Init segments and chunks that need not be sent any more.
CREATE TABLE settled (
    session BLOB NOT NULL,
    track TEXT NOT NULL,
    -- 0 for an init segment.
    number INTEGER NOT NULL,
    hash BLOB NOT NULL,
    -- 1: the server has confirmed it. 2: its bytes are lost here, so it never will.
    how INTEGER NOT NULL,
    sum BLOB NOT NULL,
    PRIMARY KEY (session, track, number, hash)
) WITHOUT ROWID;
