-- Authorization servers, as the newest published evidence of the servers that name them shows
-- them, and numbers about all servers by hour and day.

-- Product of the authorization server that a client would take; 'unrecognised' if its metadata
-- gives none away, NULL if there is none.
ALTER TABLE target ADD COLUMN product TEXT;
CREATE INDEX target_product ON target (product, rank, id);

-- An issuer identifier that at least one server names. public_id is a digest of it. told:
-- document, absent or unknown. features are bits that the program gives meaning to. run is the
-- stretch of scans whose evidence holds the document; servers are counted while writing.
CREATE TABLE issuer (
    id INTEGER PRIMARY KEY,
    public_id BLOB NOT NULL UNIQUE,
    issuer TEXT NOT NULL,
    host TEXT NOT NULL,
    product TEXT NOT NULL,
    basis TEXT,
    metadata_url TEXT,
    told TEXT NOT NULL,
    features INTEGER NOT NULL,
    digest BLOB,
    run INTEGER NOT NULL,
    first_seen INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    servers INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX issuer_servers ON issuer (servers, id);
CREATE INDEX issuer_product ON issuer (product, servers, id);

-- When an issuer's document began to look otherwise, and the stretch of scans that saw it.
CREATE TABLE issuer_change (
    issuer INTEGER NOT NULL REFERENCES issuer (id) ON DELETE CASCADE,
    at INTEGER NOT NULL,
    run INTEGER NOT NULL,
    told TEXT NOT NULL,
    features INTEGER NOT NULL,
    digest BLOB,
    PRIMARY KEY (issuer, at)
) STRICT, WITHOUT ROWID;

-- Which issuers a server names, in the order of its metadata.
CREATE TABLE target_issuer (
    target INTEGER NOT NULL REFERENCES target (id) ON DELETE CASCADE,
    issuer INTEGER NOT NULL REFERENCES issuer (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    PRIMARY KEY (target, issuer)
) STRICT, WITHOUT ROWID;
CREATE INDEX target_issuer_issuer ON target_issuer (issuer, target);

-- What statistics read of a server besides its columns. operator is the registrable domain of
-- the endpoint. version is that of the program's reading; older rows are read again.
CREATE TABLE survey (
    target INTEGER PRIMARY KEY REFERENCES target (id) ON DELETE CASCADE,
    version INTEGER NOT NULL,
    operator TEXT NOT NULL,
    prm TEXT,
    features INTEGER
) STRICT;
CREATE INDEX survey_operator ON survey (operator, target);

-- Counted servers, issuers and verdicts: day 0 is the newest count with all details, other days
-- (since 1970) are kept for trends. share is n with each operator counting once, in thousandths.
CREATE TABLE rollup (
    day INTEGER NOT NULL,
    population TEXT NOT NULL,
    series TEXT NOT NULL,
    value TEXT NOT NULL,
    n INTEGER NOT NULL,
    total INTEGER NOT NULL,
    share INTEGER NOT NULL,
    operators INTEGER NOT NULL,
    PRIMARY KEY (day, population, series, value)
) STRICT, WITHOUT ROWID;
CREATE INDEX rollup_series ON rollup (population, series, day);
