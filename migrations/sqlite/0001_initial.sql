-- Times are milliseconds since 1970 in UTC; 0 means never where a column may not be NULL.
-- Ids that the world sees are the 16 bytes of a UUIDv7.

-- Position of each check in run.bits. Positions are given once and never reused.
CREATE TABLE check_ordinal (
    ordinal INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE
) STRICT;

-- An endpoint, what its listings say, and what its newest report says. Written when something
-- changes; what moves with every scan is in visit.
CREATE TABLE target (
    id INTEGER PRIMARY KEY,
    public_id BLOB NOT NULL UNIQUE,
    url TEXT NOT NULL UNIQUE,
    host TEXT NOT NULL,
    name TEXT,
    name_key TEXT NOT NULL,
    words TEXT NOT NULL,
    sources TEXT NOT NULL,
    listing TEXT,
    delisted_at INTEGER NOT NULL DEFAULT 0,
    first_seen INTEGER NOT NULL,
    run INTEGER,
    rubric TEXT,
    class TEXT,
    era TEXT,
    exposure TEXT,
    letter TEXT,
    badge TEXT,
    score INTEGER,
    coverage INTEGER,
    doubtful INTEGER NOT NULL DEFAULT 0,
    cap_letter TEXT,
    cap_check TEXT,
    cap_party TEXT,
    claimed TEXT,
    claimed_letter TEXT,
    issuers TEXT NOT NULL DEFAULT '[]',
    registration TEXT,
    pkce TEXT,
    rank INTEGER NOT NULL,
    changed_at INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX target_rank ON target (rank, id);
CREATE INDEX target_class ON target (class, rank, id);
CREATE INDEX target_era ON target (era, rank, id);
CREATE INDEX target_claimed ON target (claimed, rank, id);
CREATE INDEX target_registration ON target (registration, rank, id);
CREATE INDEX target_pkce ON target (pkce, rank, id);
CREATE INDEX target_changed ON target (changed_at, id);
CREATE INDEX target_name ON target (name_key, id);
CREATE INDEX target_host ON target (host, id);

-- Substrings of target.words. The text itself stays in target.
CREATE VIRTUAL TABLE search USING fts5 (
    words, content = 'target', content_rowid = 'id',
    tokenize = 'trigram', detail = none, columnsize = 0
);
CREATE TRIGGER search_added AFTER INSERT ON target BEGIN
    INSERT INTO search (rowid, words) VALUES (new.id, new.words);
END;
CREATE TRIGGER search_changed AFTER UPDATE OF words ON target BEGIN
    INSERT INTO search (search, rowid, words) VALUES ('delete', old.id, old.words);
    INSERT INTO search (rowid, words) VALUES (new.id, new.words);
END;
CREATE TRIGGER search_removed AFTER DELETE ON target BEGIN
    INSERT INTO search (search, rowid, words) VALUES ('delete', old.id, old.words);
END;

-- What moves with every scan. A lease is an end time; while it runs, due is that end, so that
-- a worker that dies gives the target back by doing nothing.
CREATE TABLE visit (
    target INTEGER PRIMARY KEY REFERENCES target (id),
    lane INTEGER NOT NULL,
    due INTEGER,
    lease_until INTEGER,
    failures INTEGER NOT NULL DEFAULT 0,
    failing_since INTEGER NOT NULL DEFAULT 0,
    checked_at INTEGER NOT NULL DEFAULT 0,
    last_scan BLOB,
    scans INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX visit_due ON visit (lane, due, target);
CREATE INDEX visit_checked ON visit (checked_at, target);

-- One statement of one source about one endpoint. A source may list it under several names.
CREATE TABLE listing (
    target INTEGER NOT NULL REFERENCES target (id),
    source TEXT NOT NULL,
    name TEXT NOT NULL,
    facts TEXT NOT NULL,
    seen INTEGER NOT NULL,
    PRIMARY KEY (target, source, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX listing_source ON listing (source, target);

-- Texts that make compression better. Never changed, never deleted.
CREATE TABLE dictionary (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    bytes BLOB NOT NULL
) STRICT;

-- Evidence after normalisation, once per content.
CREATE TABLE evidence (
    id INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    dictionary INTEGER REFERENCES dictionary (id),
    bytes BLOB NOT NULL
) STRICT;

-- A stretch of scans of one target that saw the same. bits holds two bits per check.
CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    target INTEGER NOT NULL REFERENCES target (id),
    first_scan BLOB NOT NULL,
    last_scan BLOB NOT NULL,
    first_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    n INTEGER NOT NULL,
    surface BLOB NOT NULL,
    evidence INTEGER NOT NULL REFERENCES evidence (id),
    rubric TEXT NOT NULL,
    class TEXT NOT NULL,
    letter TEXT,
    badge TEXT,
    score INTEGER,
    cap_check TEXT,
    bits BLOB NOT NULL
) STRICT;
CREATE INDEX run_target ON run (target, id);

-- Every scan, so that its address works for ever.
CREATE TABLE scan (
    id BLOB PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES run (id),
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX scan_run ON scan (run, id);

-- The newest scan of each target, whole: with times and with headers that change each time.
CREATE TABLE newest (
    target INTEGER PRIMARY KEY REFERENCES target (id),
    scan BLOB NOT NULL,
    dictionary INTEGER REFERENCES dictionary (id),
    bytes BLOB NOT NULL
) STRICT;

-- Reports are added under further rubrics, never replaced.
CREATE TABLE report (
    run INTEGER NOT NULL REFERENCES run (id),
    rubric TEXT NOT NULL,
    graded_at INTEGER NOT NULL,
    dictionary INTEGER REFERENCES dictionary (id),
    bytes BLOB NOT NULL,
    PRIMARY KEY (run, rubric)
) STRICT;

-- The change feed. seq has no gaps and grows in the order of commits.
CREATE TABLE change (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    cause TEXT NOT NULL,
    target INTEGER NOT NULL REFERENCES target (id),
    before TEXT,
    after TEXT,
    checks TEXT NOT NULL,
    scan BLOB NOT NULL,
    previous_scan BLOB
) STRICT;

-- Which targets fail a check by their newest report.
CREATE TABLE failing (
    ordinal INTEGER NOT NULL REFERENCES check_ordinal (ordinal),
    target INTEGER NOT NULL REFERENCES target (id),
    PRIMARY KEY (ordinal, target)
) STRICT, WITHOUT ROWID;

-- Numbers that are kept while writing, so that no request counts rows.
CREATE TABLE counter (
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (kind, value)
) STRICT, WITHOUT ROWID;
INSERT INTO counter (kind, value, n) VALUES ('data', 'generation', 0), ('data', 'changes', 0);

-- Each job with its newest run.
CREATE TABLE job (
    name TEXT PRIMARY KEY,
    scheduled INTEGER NOT NULL,
    started INTEGER NOT NULL,
    until INTEGER NOT NULL,
    finished INTEGER,
    ok INTEGER,
    note TEXT NOT NULL
) STRICT;

-- Positions kept between runs, for example of a registry walk.
CREATE TABLE cursor (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;
