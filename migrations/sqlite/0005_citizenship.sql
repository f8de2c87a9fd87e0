-- Keys that never leave the database. `left-out` turns host names into the hashes below.
CREATE TABLE keyring (
    name TEXT PRIMARY KEY,
    bytes BLOB NOT NULL
) STRICT;

-- Hosts that asked to be left out, with everything below them: a keyed hash of the name and
-- nothing else of it. until 0: for good. hidden: nothing about them is shown or taken in.
CREATE TABLE opt_out (
    hash BLOB PRIMARY KEY,
    since INTEGER NOT NULL,
    until INTEGER NOT NULL,
    hidden INTEGER NOT NULL,
    way TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Hosts whose servers and evidence are to be removed. The name goes with the work.
CREATE TABLE removal (
    host TEXT PRIMARY KEY,
    asked_at INTEGER NOT NULL
) STRICT;

-- What a host said of being asked (robots.txt, authdex.txt), kept for a day.
CREATE TABLE manners (
    host TEXT PRIMARY KEY,
    at INTEGER NOT NULL,
    said TEXT NOT NULL
) STRICT;

-- Servers that were not scanned because of it, until they are.
CREATE TABLE refusal (
    target INTEGER PRIMARY KEY REFERENCES target (id),
    at INTEGER NOT NULL,
    reason TEXT NOT NULL
) STRICT;

-- What was sent under an id besides the exchanges of a filed scan, for those who ask why.
CREATE TABLE errand (
    id BLOB PRIMARY KEY,
    at INTEGER NOT NULL,
    host TEXT NOT NULL,
    why TEXT NOT NULL,
    lines TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX errand_at ON errand (at);

-- What was sent in all, by UTC day.
CREATE TABLE meter (
    day INTEGER NOT NULL,
    what TEXT NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (day, what)
) STRICT, WITHOUT ROWID;

-- Hosts asked on a day, as hashes, so that each counts once; removed when the day is over.
CREATE TABLE meter_host (
    day INTEGER NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (day, hash)
) STRICT, WITHOUT ROWID;

-- Somebody who proves hosts. The secret link is kept as its SHA-256.
CREATE TABLE person (
    id BLOB PRIMARY KEY,
    contact TEXT NOT NULL,
    secret BLOB NOT NULL UNIQUE,
    since INTEGER NOT NULL
) STRICT;

-- A person's claim to a host. wanted_at: a look at the host is waited for since then, 0 for
-- none. Proved while now is before until.
CREATE TABLE claim (
    person BLOB NOT NULL REFERENCES person (id),
    host TEXT NOT NULL,
    token TEXT NOT NULL,
    asked_at INTEGER NOT NULL,
    wanted_at INTEGER NOT NULL DEFAULT 0,
    checked_at INTEGER NOT NULL DEFAULT 0,
    proved_at INTEGER NOT NULL DEFAULT 0,
    until INTEGER NOT NULL DEFAULT 0,
    method TEXT NOT NULL DEFAULT '',
    said TEXT NOT NULL DEFAULT '',
    leave INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (person, host)
) STRICT, WITHOUT ROWID;
CREATE INDEX claim_host ON claim (host);
CREATE INDEX claim_wanted ON claim (wanted_at);

-- Every look at a host that proved or disproved a claim.
CREATE TABLE proof_log (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    host TEXT NOT NULL,
    person BLOB NOT NULL,
    method TEXT NOT NULL,
    outcome TEXT NOT NULL
) STRICT;
CREATE INDEX proof_log_at ON proof_log (at);

-- Runs that a proved owner started: the next scan of the server goes deeper, once.
CREATE TABLE deeper (
    target INTEGER PRIMARY KEY REFERENCES target (id),
    person BLOB NOT NULL REFERENCES person (id),
    asked_at INTEGER NOT NULL,
    until INTEGER NOT NULL
) STRICT;

-- What only the person with the proof may see: the newest result of such a run.
CREATE TABLE private_result (
    target INTEGER PRIMARY KEY REFERENCES target (id),
    person BLOB NOT NULL REFERENCES person (id),
    at INTEGER NOT NULL,
    report TEXT NOT NULL
) STRICT;

-- What an owner has to say about a server, plain text.
CREATE TABLE statement (
    target INTEGER PRIMARY KEY REFERENCES target (id),
    person BLOB NOT NULL REFERENCES person (id),
    at INTEGER NOT NULL,
    text TEXT NOT NULL
) STRICT;

-- For removing a server with all that is kept of it.
CREATE INDEX run_of_evidence ON run (evidence);
CREATE INDEX failing_of_target ON failing (target);
