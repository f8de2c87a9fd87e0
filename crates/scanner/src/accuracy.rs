//! How often the checks are right: verdicts over labelled evidence, compared with the labels.
//!
//! A label says what a perfect scanner would answer for one item, check and revision. Where
//! labels come from, and how much each kind is worth, is told in `docs/accuracy.md`.
//! [`measure`] counts per check; [`rows`] writes every verdict down, so that a changed one is
//! seen ([`changed`]).

mod measure;
mod rows;

pub use measure::{Accuracy, Miss, Row, Share, measure};
pub use rows::{Changed, VerdictRow, changed, read_rows, rows, write_rows};

use crate::report::FindingVerdict;
use crate::spec::Revision;

/// Evidence with a name.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Item {
    /// Unique in its corpus.
    pub name: String,
    /// What was recorded.
    pub evidence: crate::evidence::Evidence,
}

/// What a perfect scanner says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// Exactly this.
    Said(FindingVerdict),
    /// The check stands behind another one: n/a or inconclusive, never a finding.
    Blocked,
}

impl Truth {
    /// The word in a file of labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Said(verdict) => verdict.as_str(),
            Self::Blocked => "blocked",
        }
    }

    /// Reads that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        if word == "blocked" {
            return Some(Self::Blocked);
        }
        VERDICTS
            .into_iter()
            .find(|verdict| verdict.as_str() == word)
            .map(Self::Said)
    }

    fn agrees(self, said: FindingVerdict) -> bool {
        match self {
            Self::Said(verdict) => verdict == said,
            Self::Blocked => matches!(said, FindingVerdict::Na | FindingVerdict::Inconclusive),
        }
    }
}

const VERDICTS: [FindingVerdict; 5] = [
    FindingVerdict::Pass,
    FindingVerdict::Warn,
    FindingVerdict::Fail,
    FindingVerdict::Na,
    FindingVerdict::Inconclusive,
];

/// One label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Name of the item.
    pub item: String,
    /// Check id.
    pub check: String,
    /// Graded revision.
    pub revision: Revision,
    /// What is true.
    pub truth: Truth,
    /// Where that is known from.
    pub source: String,
}

/// Why a file of labels could not be read.
#[derive(Debug, thiserror::Error)]
#[error("reading labels, line {line}: {what}")]
pub struct LabelError {
    /// Line number, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

/// Reads labels: tab-separated item, check, revision, label and source, one a line; lines
/// that begin with `#` are comments.
///
/// # Errors
///
/// If a line has too few fields, or names a revision, a check or a label that does not exist.
pub fn read_labels(text: &str) -> Result<Vec<Label>, LabelError> {
    let mut labels = Vec::new();
    for (position, line) in text.lines().enumerate() {
        let fault = |what: String| LabelError {
            line: position + 1,
            what,
        };
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut fields = line.splitn(5, '\t');
        let mut field = |name: &str| {
            fields
                .next()
                .ok_or_else(|| fault(format!("the field `{name}` is missing")))
        };
        let item = field("item")?.to_owned();
        let check = field("check")?.to_owned();
        if crate::checks::by_id(&check).is_none() {
            return Err(fault(format!("there is no check `{check}`")));
        }
        let date = field("revision")?;
        let revision = Revision::ALL
            .into_iter()
            .find(|revision| revision.as_date() == date)
            .ok_or_else(|| fault(format!("there is no revision `{date}`")))?;
        let word = field("label")?;
        let truth = Truth::parse(word)
            .ok_or_else(|| fault(format!("`{word}` is no verdict and not `blocked`")))?;
        let source = field("source")?.to_owned();
        labels.push(Label {
            item,
            check,
            revision,
            truth,
            source,
        });
    }
    Ok(labels)
}
