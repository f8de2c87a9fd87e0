-- Since when a source says what it says of a server, and when it ceased to. Of rows from before
-- only the last reading is known.
ALTER TABLE listing ADD COLUMN first_seen BIGINT NOT NULL DEFAULT 0;
ALTER TABLE listing ADD COLUMN since BIGINT NOT NULL DEFAULT 0;
ALTER TABLE listing ADD COLUMN gone_at BIGINT NOT NULL DEFAULT 0;
UPDATE listing SET first_seen = seen, since = seen;

-- What a source said before: a stretch of readings in which it said the same.
CREATE TABLE sighting (
    target BIGINT NOT NULL REFERENCES target (id),
    source TEXT NOT NULL,
    name TEXT NOT NULL,
    first_seen BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    facts TEXT NOT NULL,
    PRIMARY KEY (target, source, name, first_seen)
);

-- Whole readings of a source. doubted_at is the beginning of one that lacked too much to be
-- believed before another agrees; 0 if there is none.
CREATE TABLE source (
    name TEXT PRIMARY KEY,
    walked_at BIGINT NOT NULL,
    listed BIGINT NOT NULL,
    doubted_at BIGINT NOT NULL DEFAULT 0,
    missing BIGINT NOT NULL DEFAULT 0
);
