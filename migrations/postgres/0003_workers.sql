-- Who is at which host: what every worker of one database keeps to, and what outlives a restart.
-- host is a name without its port; address literals stand without brackets.
ALTER TABLE visit ADD COLUMN host TEXT COLLATE "C" NOT NULL DEFAULT '';
UPDATE visit SET host = CASE WHEN t.host LIKE '[%'
    THEN substr(t.host, 2, strpos(t.host, ']') - 2) ELSE split_part(t.host, ':', 1) END
    FROM target t WHERE t.id = visit.target;
-- The registrable domain of that host, or the host itself; rows of before are filled in by the
-- program.
ALTER TABLE visit ADD COLUMN operator TEXT COLLATE "C" NOT NULL DEFAULT '';
-- When a wish for a scan was queued, when the lease began, when a scan last came to nothing, and
-- how many wishes were taken on which day (days since 1970).
ALTER TABLE visit ADD COLUMN asked_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE visit ADD COLUMN leased_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE visit ADD COLUMN tried_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE visit ADD COLUMN asked_day BIGINT NOT NULL DEFAULT 0;
ALTER TABLE visit ADD COLUMN asked_n BIGINT NOT NULL DEFAULT 0;
-- Scans in a row that were refused: 403 or a challenge in front of the server, or 429.
ALTER TABLE visit ADD COLUMN refusals BIGINT NOT NULL DEFAULT 0;

-- A host is held by one process until held_until. After that it may be asked from next_at on,
-- unless it asked to be left alone (closed_until) or kept failing (open_until). day and asked
-- count requests to it as an authorization server.
CREATE TABLE host_pace (
    host TEXT COLLATE "C" PRIMARY KEY,
    operator TEXT COLLATE "C" NOT NULL,
    holder BIGINT NOT NULL DEFAULT 0,
    held_until BIGINT NOT NULL DEFAULT 0,
    next_at BIGINT NOT NULL DEFAULT 0,
    closed_until BIGINT NOT NULL DEFAULT 0,
    slow_until BIGINT NOT NULL DEFAULT 0,
    faults BIGINT NOT NULL DEFAULT 0,
    fault_at BIGINT NOT NULL DEFAULT 0,
    open_until BIGINT NOT NULL DEFAULT 0,
    day BIGINT NOT NULL DEFAULT 0,
    asked BIGINT NOT NULL DEFAULT 0
) WITH (fillfactor = 60);
CREATE INDEX host_pace_operator ON host_pace (operator, held_until);

-- Requests to all hosts of one operator (registrable domain) on a day.
CREATE TABLE operator_pace (
    operator TEXT COLLATE "C" PRIMARY KEY,
    day BIGINT NOT NULL,
    asked BIGINT NOT NULL
) WITH (fillfactor = 60);

-- Where the next request may go that shares something with others: an address, the whole.
CREATE TABLE slot (
    name TEXT COLLATE "C" PRIMARY KEY,
    next_at BIGINT NOT NULL
) WITH (fillfactor = 60);

-- Answers of authorization servers that all scans share. Whoever fetches one holds it until
-- fetching_until; bytes are empty until it is there.
CREATE TABLE shared_answer (
    name TEXT COLLATE "C" PRIMARY KEY,
    at BIGINT NOT NULL,
    fetching_until BIGINT NOT NULL,
    bytes BYTEA NOT NULL
);
ALTER TABLE shared_answer ALTER COLUMN bytes SET STORAGE EXTERNAL;

-- What a person, or a guard, switched: kind is stop_all, stop_host, stop_issuer or freeze.
CREATE TABLE switch (
    kind TEXT NOT NULL,
    value TEXT COLLATE "C" NOT NULL,
    since BIGINT NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (kind, value)
);

-- Scans filed in a minute, and those of them that found their server worse than before.
CREATE TABLE weather (
    minute BIGINT PRIMARY KEY,
    seen BIGINT NOT NULL,
    bad BIGINT NOT NULL
);
