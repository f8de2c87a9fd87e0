//! The export as one SQLite file: a table for each kind of record, a description of every
//! column, and views for the usual questions.

use serde_json::json;

use super::columns::Shape;
use super::{Kind, Record};

/// Name of the file.
pub(super) const FILE: &str = "authdex.sqlite";

/// Kinds that stand in it.
pub(super) fn kinds(kinds: &[Kind]) -> Vec<Kind> {
    kinds
        .iter()
        .copied()
        .filter(|kind| super::Form::Sqlite.takes(*kind))
        .collect()
}

/// Statements that make the tables.
pub(super) fn tables(kinds: &[Kind]) -> Vec<String> {
    let mut out = vec![
        "CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID"
            .to_owned(),
        "CREATE TABLE columns (\"table\" TEXT NOT NULL, place INTEGER NOT NULL, name TEXT NOT NULL, \
         type TEXT NOT NULL, meaning TEXT NOT NULL, PRIMARY KEY (\"table\", place)) \
         STRICT, WITHOUT ROWID"
            .to_owned(),
    ];
    for kind in kinds {
        let columns: Vec<String> = kind
            .columns()
            .iter()
            .map(|column| {
                let affinity = match column.shape {
                    Shape::Text | Shape::Time | Shape::Texts | Shape::Document => "TEXT",
                    Shape::Whole | Shape::Truth => "INTEGER",
                    Shape::Real => "REAL",
                };
                format!("\"{}\" {affinity}", column.name)
            })
            .collect();
        let columns = columns.join(", ");
        out.push(format!("CREATE TABLE {} ({columns}) STRICT", kind.as_str()));
    }
    out
}

/// Rows of the table `about`.
pub(super) fn about(rubric: &str) -> Vec<Record> {
    [
        ("licence", "CC-BY-4.0"),
        ("rubric", rubric),
        ("schema", "authdex.export.sqlite/1"),
    ]
    .map(|(key, value)| vec![json!(key), json!(value)])
    .into()
}

/// Rows of the table `columns`.
pub(super) fn described(kinds: &[Kind]) -> Vec<Record> {
    let mut out = Vec::new();
    for kind in kinds {
        for (place, column) in kind.columns().iter().enumerate() {
            out.push(vec![
                json!(kind.as_str()),
                json!(place + 1),
                json!(column.name),
                json!(column.shape.as_str()),
                json!(column.about),
            ]);
        }
    }
    out
}

/// A view: its name, the tables it needs, and its text.
type View = (&'static str, &'static [Kind], &'static str);

const INDEXES: [View; 7] = [
    (
        "",
        &[Kind::Servers],
        "CREATE UNIQUE INDEX servers_server ON servers (server)",
    ),
    (
        "",
        &[Kind::Servers],
        "CREATE INDEX servers_url ON servers (url)",
    ),
    (
        "",
        &[Kind::Scans],
        "CREATE UNIQUE INDEX scans_scan ON scans (scan)",
    ),
    (
        "",
        &[Kind::Scans],
        "CREATE INDEX scans_server ON scans (server, at)",
    ),
    (
        "",
        &[Kind::Findings],
        "CREATE INDEX findings_server ON findings (server, last_scan)",
    ),
    (
        "",
        &[Kind::Findings],
        "CREATE INDEX findings_check ON findings (\"check\", verdict)",
    ),
    (
        "",
        &[Kind::Changes],
        "CREATE INDEX changes_server ON changes (server, seq)",
    ),
];

const VIEWS: [View; 7] = [
    (
        "letters",
        &[Kind::Servers],
        "SELECT coalesce(letter, badge, 'not scanned') AS letter, count(*) AS servers \
         FROM servers GROUP BY 1 ORDER BY 2 DESC, 1",
    ),
    (
        "registration_ways",
        &[Kind::Servers],
        "SELECT registration, count(*) AS servers FROM servers \
         WHERE registration IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1",
    ),
    (
        "issuers",
        &[Kind::Servers],
        "SELECT i.value AS issuer, count(*) AS servers FROM servers s, json_each(s.issuers) i \
         GROUP BY 1 ORDER BY 2 DESC, 1",
    ),
    (
        "findings_today",
        &[Kind::Servers, Kind::Findings],
        "SELECT f.* FROM findings f JOIN servers s ON s.server = f.server \
         AND s.scan = f.last_scan",
    ),
    (
        "checks_today",
        &[Kind::Servers, Kind::Findings],
        "SELECT \"check\" AS check_id, sum(verdict = 'pass') AS pass, sum(verdict = 'warn') AS warn, \
         sum(verdict = 'fail') AS fail, sum(verdict NOT IN ('pass', 'warn', 'fail')) AS unjudged \
         FROM findings_today GROUP BY 1 ORDER BY 4 DESC, 1",
    ),
    (
        "changes_by_week",
        &[Kind::Changes],
        "SELECT strftime('%Y-%W', at) AS week, kind, cause, count(*) AS changes FROM changes \
         GROUP BY 1, 2, 3 ORDER BY 1 DESC, 2, 3",
    ),
    (
        "letters_over_time",
        &[Kind::Scans],
        "SELECT substr(at, 1, 7) AS month, coalesce(letter, badge) AS letter, \
         count(DISTINCT server) AS servers FROM scans GROUP BY 1, 2 ORDER BY 1, 2",
    ),
];

/// Statements that make indexes and views over the tables that are there.
pub(super) fn views(kinds: &[Kind]) -> Vec<String> {
    let there = |view: &&View| view.1.iter().all(|kind| kinds.contains(kind));
    let indexes = INDEXES.iter().filter(there).map(|index| index.2.to_owned());
    let views = VIEWS
        .iter()
        .filter(there)
        .map(|(name, _, text)| format!("CREATE VIEW {name} AS {text}"));
    indexes.chain(views).collect()
}
