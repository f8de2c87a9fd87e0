-- The stretch that scans see now, where it is not the one that is shown; and when the hold on it
-- ends at the latest. What target says otherwise is what is shown.
ALTER TABLE target ADD COLUMN seen BIGINT;
ALTER TABLE target ADD COLUMN held_until BIGINT;
-- 1 while something waits or is masked: the next scan has to be settled, even if it is equal.
ALTER TABLE target ADD COLUMN pending BIGINT NOT NULL DEFAULT 0;

-- The newest scan, where it is not one that is shown. checked_at, last_scan and scans count what
-- is shown.
ALTER TABLE visit ADD COLUMN seen_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE visit ADD COLUMN seen_scan BYTEA;

-- Whether a stretch is shown: 0 published, 1 held, 2 not reproduced, 3 withdrawn. Everything
-- from before counts as published.
ALTER TABLE run ADD COLUMN standing BIGINT NOT NULL DEFAULT 0;

-- What is to be said of the publication of a stretch, if anything: why it waits and until when,
-- when it was confirmed, what the published grade changes about what was seen, and which checks
-- have their evidence withheld. The report of such a stretch is the published one.
CREATE TABLE publication (
    run BIGINT PRIMARY KEY REFERENCES run (id),
    reason TEXT,
    until BIGINT,
    confirmed_at BIGINT NOT NULL DEFAULT 0,
    overrides TEXT,
    withheld TEXT
);

-- Tombstones in the change feed: servers whose data were removed, by id alone.
CREATE TABLE gone (
    seq BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    server BYTEA NOT NULL
);
