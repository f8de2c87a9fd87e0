-- Answers to requests that carried a key of the caller's: the same request with the same key is
-- answered once. key and asked are digests.
CREATE TABLE repeated (
    key BLOB PRIMARY KEY,
    asked BLOB NOT NULL,
    answer TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX repeated_at ON repeated (at);

-- Entries of registries as they were received, to be passed on: one for each version of a name.
-- urls holds the remotes, normalised, as a JSON array; entry is compressed.
CREATE TABLE entry (
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    source TEXT NOT NULL,
    latest INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    seen INTEGER NOT NULL,
    urls TEXT NOT NULL,
    entry BLOB NOT NULL,
    PRIMARY KEY (name, version)
) STRICT, WITHOUT ROWID;
