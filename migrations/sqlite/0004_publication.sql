-- The stretch that scans see now, where it is not the one that is shown; and when the hold on it
-- ends at the latest. What target says otherwise is what is shown.
ALTER TABLE target ADD COLUMN seen INTEGER;
ALTER TABLE target ADD COLUMN held_until INTEGER;
-- 1 while something waits or is masked: the next scan has to be settled, even if it is equal.
ALTER TABLE target ADD COLUMN pending INTEGER NOT NULL DEFAULT 0;

-- The newest scan, where it is not one that is shown. checked_at, last_scan and scans count what
-- is shown.
ALTER TABLE visit ADD COLUMN seen_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE visit ADD COLUMN seen_scan BLOB;

-- Whether a stretch is shown: 0 published, 1 held, 2 not reproduced, 3 withdrawn. Everything
-- from before counts as published.
ALTER TABLE run ADD COLUMN standing INTEGER NOT NULL DEFAULT 0;

-- What is to be said of the publication of a stretch, if anything: why it waits and until when,
-- when it was confirmed, what the published grade changes about what was seen, and which checks
-- have their evidence withheld. The report of such a stretch is the published one.
CREATE TABLE publication (
    run INTEGER PRIMARY KEY REFERENCES run (id),
    reason TEXT,
    until INTEGER,
    confirmed_at INTEGER NOT NULL DEFAULT 0,
    overrides TEXT,
    withheld TEXT
) STRICT;

-- Tombstones in the change feed: servers whose data were removed, by id alone.
CREATE TABLE gone (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    server BLOB NOT NULL
) STRICT;
