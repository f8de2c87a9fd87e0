-- Since when a source says what it says of a server, and when it ceased to. Of rows from before
-- only the last reading is known.
ALTER TABLE listing ADD COLUMN first_seen INTEGER NOT NULL DEFAULT 0;
ALTER TABLE listing ADD COLUMN since INTEGER NOT NULL DEFAULT 0;
ALTER TABLE listing ADD COLUMN gone_at INTEGER NOT NULL DEFAULT 0;
UPDATE listing SET first_seen = seen, since = seen;

-- What a source said before: a stretch of readings in which it said the same.
CREATE TABLE sighting (
    target INTEGER NOT NULL REFERENCES target (id),
    source TEXT NOT NULL,
    name TEXT NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    facts TEXT NOT NULL,
    PRIMARY KEY (target, source, name, first_seen)
) STRICT, WITHOUT ROWID;

-- Whole readings of a source. doubted_at is the beginning of one that lacked too much to be
-- believed before another agrees; 0 if there is none.
CREATE TABLE source (
    name TEXT PRIMARY KEY,
    walked_at INTEGER NOT NULL,
    listed INTEGER NOT NULL,
    doubted_at INTEGER NOT NULL DEFAULT 0,
    missing INTEGER NOT NULL DEFAULT 0
) STRICT;
