-- Who is at which host: what every worker of one database keeps to, and what outlives a restart.
-- host is a name without its port; address literals stand without brackets.
ALTER TABLE visit ADD COLUMN host TEXT NOT NULL DEFAULT '';
UPDATE visit SET host = CASE WHEN t.host LIKE '[%'
    THEN substr(t.host, 2, instr(t.host, ']') - 2)
    WHEN instr(t.host, ':') > 0 THEN substr(t.host, 1, instr(t.host, ':') - 1) ELSE t.host END
    FROM target t WHERE t.id = visit.target;
-- The registrable domain of that host, or the host itself; rows of before are filled in by the
-- program.
ALTER TABLE visit ADD COLUMN operator TEXT NOT NULL DEFAULT '';
-- When a wish for a scan was queued, when the lease began, when a scan last came to nothing, and
-- how many wishes were taken on which day (days since 1970).
ALTER TABLE visit ADD COLUMN asked_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE visit ADD COLUMN leased_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE visit ADD COLUMN tried_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE visit ADD COLUMN asked_day INTEGER NOT NULL DEFAULT 0;
ALTER TABLE visit ADD COLUMN asked_n INTEGER NOT NULL DEFAULT 0;
-- Scans in a row that were refused: 403 or a challenge in front of the server, or 429.
ALTER TABLE visit ADD COLUMN refusals INTEGER NOT NULL DEFAULT 0;

-- A host is held by one process until held_until. After that it may be asked from next_at on,
-- unless it asked to be left alone (closed_until) or kept failing (open_until). day and asked
-- count requests to it as an authorization server.
CREATE TABLE host_pace (
    host TEXT PRIMARY KEY,
    operator TEXT NOT NULL,
    holder INTEGER NOT NULL DEFAULT 0,
    held_until INTEGER NOT NULL DEFAULT 0,
    next_at INTEGER NOT NULL DEFAULT 0,
    closed_until INTEGER NOT NULL DEFAULT 0,
    slow_until INTEGER NOT NULL DEFAULT 0,
    faults INTEGER NOT NULL DEFAULT 0,
    fault_at INTEGER NOT NULL DEFAULT 0,
    open_until INTEGER NOT NULL DEFAULT 0,
    day INTEGER NOT NULL DEFAULT 0,
    asked INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX host_pace_operator ON host_pace (operator, held_until);

-- Requests to all hosts of one operator (registrable domain) on a day.
CREATE TABLE operator_pace (
    operator TEXT PRIMARY KEY,
    day INTEGER NOT NULL,
    asked INTEGER NOT NULL
) STRICT;

-- Where the next request may go that shares something with others: an address, the whole.
CREATE TABLE slot (
    name TEXT PRIMARY KEY,
    next_at INTEGER NOT NULL
) STRICT;

-- Answers of authorization servers that all scans share. Whoever fetches one holds it until
-- fetching_until; bytes are empty until it is there.
CREATE TABLE shared_answer (
    name TEXT PRIMARY KEY,
    at INTEGER NOT NULL,
    fetching_until INTEGER NOT NULL,
    bytes BLOB NOT NULL
) STRICT;

-- What a person, or a guard, switched: kind is stop_all, stop_host, stop_issuer or freeze.
CREATE TABLE switch (
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    since INTEGER NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (kind, value)
) STRICT;

-- Scans filed in a minute, and those of them that found their server worse than before.
CREATE TABLE weather (
    minute INTEGER PRIMARY KEY,
    seen INTEGER NOT NULL,
    bad INTEGER NOT NULL
) STRICT;
