//! Every verdict over a corpus, written down: one line an item, one letter a check.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::Item;
use super::measure::{place, said};
use crate::checks;
use crate::facts::Facts;
use crate::grade::resolve;
use crate::spec::Revision;

/// The letters of pass, warn, fail, n/a and inconclusive.
const LETTERS: [char; 5] = ['p', 'w', 'F', '-', '?'];

/// The verdicts of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerdictRow {
    /// Name of the item and the first 12 hexadecimal digits of its evidence's digest.
    pub key: String,
    /// One string a revision, oldest first; in it one letter a check, in catalogue order.
    pub columns: [String; 4],
}

/// Judges every item in every revision.
#[must_use]
pub fn rows(items: &[Item]) -> Vec<VerdictRow> {
    let mut rows: Vec<VerdictRow> = items.iter().map(row).collect();
    rows.sort_by(|a, b| a.key.cmp(&b.key));
    rows
}

fn row(item: &Item) -> VerdictRow {
    let facts = Facts::new(&item.evidence);
    let column = |revision| {
        resolve(&facts, revision)
            .iter()
            .map(|resolved| LETTERS[place(said(resolved))])
            .collect()
    };
    VerdictRow {
        key: format!("{}@{}", item.name, digest(item)),
        columns: Revision::ALL.map(column),
    }
}

fn digest(item: &Item) -> String {
    let bytes = item.evidence.encode().unwrap_or_default();
    Sha256::digest(bytes)
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The rows as a file keeps them.
#[must_use]
pub fn write_rows(rows: &[VerdictRow]) -> String {
    let mut out = String::from(
        "# key, then one column a revision, one letter a check in catalogue order: p pass, w warn, F fail, - na, ? inconclusive\n",
    );
    for row in rows {
        out.push_str(&format!("{}\t{}\n", row.key, row.columns.join("\t")));
    }
    out
}

/// Reads that file; lines of another form are left out.
#[must_use]
pub fn read_rows(text: &str) -> Vec<VerdictRow> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let mut fields = line.split('\t').map(str::to_owned);
            Some(VerdictRow {
                key: fields.next()?,
                columns: [
                    fields.next()?,
                    fields.next()?,
                    fields.next()?,
                    fields.next()?,
                ],
            })
        })
        .collect()
}

/// A verdict that is not what it was for the same evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Key of the item.
    pub key: String,
    /// Check.
    pub check: &'static str,
    /// Revision.
    pub revision: Revision,
    /// Letter before.
    pub before: char,
    /// Letter now.
    pub after: char,
}

/// Verdicts that changed between two sets of rows, for evidence that is in both.
#[must_use]
pub fn changed(before: &[VerdictRow], after: &[VerdictRow]) -> Vec<Changed> {
    let known: BTreeMap<&str, &VerdictRow> =
        before.iter().map(|row| (row.key.as_str(), row)).collect();
    let mut changes = Vec::new();
    for row in after {
        let Some(old) = known.get(row.key.as_str()) else {
            continue;
        };
        for ((revision, new), old) in Revision::ALL
            .into_iter()
            .zip(&row.columns)
            .zip(&old.columns)
        {
            let pairs = checks::all().zip(old.chars().zip(new.chars()));
            changes.extend(pairs.filter(|(_, (before, after))| before != after).map(
                |(check, (before, after))| Changed {
                    key: row.key.clone(),
                    check: check.id,
                    revision,
                    before,
                    after,
                },
            ));
        }
    }
    changes
}
