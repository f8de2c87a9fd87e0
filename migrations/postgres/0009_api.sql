-- Answers to requests that carried a key of the caller's: the same request with the same key is
-- answered once. key and asked are digests.
CREATE TABLE repeated (
    key BYTEA PRIMARY KEY,
    asked BYTEA NOT NULL,
    answer TEXT NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX repeated_at ON repeated (at);

-- Entries of registries as they were received, to be passed on: one for each version of a name.
-- urls holds the remotes, normalised, as a JSON array; entry is compressed.
CREATE TABLE entry (
    name TEXT COLLATE "C" NOT NULL,
    version TEXT COLLATE "C" NOT NULL,
    source TEXT NOT NULL,
    latest BIGINT NOT NULL,
    deleted BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    seen BIGINT NOT NULL,
    urls TEXT NOT NULL,
    entry BYTEA NOT NULL,
    PRIMARY KEY (name, version)
);
