-- What the list is searched and ordered by, apart from the documents so that few pages are read for it. It needs no sum:
-- each row must be what its session's row makes.
CREATE TABLE list (
    id BLOB PRIMARY KEY,
    trashed INTEGER NOT NULL,
    -- Nanoseconds, pauses left out.
    played INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    -- In small letters, as all of the words are.
    title TEXT NOT NULL,
    words TEXT NOT NULL
) WITHOUT ROWID;
