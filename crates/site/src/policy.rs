//! What one run's own rules say of a report: which findings are suppressed and why, what a
//! baseline knows already, and whether the thresholds are met.
//!
//! Nothing here changes a verdict, a score or a letter. A suppressed finding stays visible in
//! every format with its reason and its end; only the gate passes it by.

pub mod baseline;
pub mod gate;
pub mod suppress;

use std::collections::BTreeMap;

use scanner::report::{Finding, FindingVerdict, Grade, Report};
use scanner::spec::Revision;
use serde::Serialize;

use self::baseline::Against;
use self::suppress::Waiver;

/// A report with what this run's rules say of it.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The report.
    pub report: Report,
    /// The rules applied to it.
    pub policy: Policy,
}

impl Subject {
    /// A report on which no rule of a run was applied.
    #[must_use]
    pub fn plain(report: Report) -> Self {
        let policy = Policy::none(&report);
        Self { report, policy }
    }
}

/// Name and digest of a file that the rules were read from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Source {
    /// The file's name without its folders.
    pub name: String,
    /// SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
}

/// Rules of a run, applied to one report.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The column that the thresholds use.
    pub column: Revision,
    /// The grade that the thresholds use: that of the column, as if what is suppressed passed.
    pub gate: Grade,
    /// Suppressed warnings and failures by check.
    pub suppressed: BTreeMap<String, Waiver>,
    /// The comparison with the baseline, if one was given that knows the server.
    pub against: Option<Against>,
    /// Why the thresholds are missed, a sentence each; empty when they are met.
    pub missed: Vec<String>,
    /// The file of suppressions, if one was given.
    pub source: Option<Source>,
}

impl Policy {
    /// No rules.
    #[must_use]
    pub fn none(report: &Report) -> Self {
        Self {
            column: Revision::HEADLINE,
            gate: report.grade.clone(),
            suppressed: BTreeMap::new(),
            against: None,
            missed: Vec::new(),
            source: None,
        }
    }

    /// Whether the finding can make a run fail: it is neither suppressed nor known.
    #[must_use]
    pub fn counts(&self, check: &str) -> bool {
        !self.suppressed.contains_key(check)
            && self
                .against
                .as_ref()
                .is_none_or(|against| !against.known.contains(check))
    }

    /// What the rules say of a finding, for readers; `None` when they say nothing.
    #[must_use]
    pub fn note(&self, check: &str) -> Option<String> {
        if let Some(waiver) = self.suppressed.get(check) {
            return Some(waiver.sentence());
        }
        let against = self.against.as_ref()?;
        if against.known.contains(check) {
            return Some("Known: the baseline has it too.".into());
        }
        let new = against.new.iter().any(|new| new == check);
        new.then(|| "New since the baseline.".into())
    }

    /// What the rules came to, as member `overlay` of the report; `None` without rules.
    #[must_use]
    pub fn overlay(&self) -> Option<serde_json::Value> {
        if self.source.is_none() && self.against.is_none() {
            return None;
        }
        let overlay = Overlay {
            name: self.source.as_ref().map(|source| source.name.as_str()),
            sha256: self.source.as_ref().map(|source| source.sha256.as_str()),
            result: if self.missed.is_empty() {
                "pass"
            } else {
                "fail"
            },
            reasons: &self.missed,
            suppressed: self
                .suppressed
                .iter()
                .map(|(check, waiver)| Suppressed { check, waiver })
                .collect(),
            baseline: self.against.as_ref(),
        };
        // Strings, lists and maps of them always have a JSON form.
        serde_json::to_value(overlay).ok()
    }
}

#[derive(Serialize)]
struct Overlay<'p> {
    name: Option<&'p str>,
    sha256: Option<&'p str>,
    result: &'static str,
    reasons: &'p [String],
    suppressed: Vec<Suppressed<'p>>,
    baseline: Option<&'p Against>,
}

#[derive(Serialize)]
struct Suppressed<'p> {
    check: &'p str,
    #[serde(flatten)]
    waiver: &'p Waiver,
}

/// A finding's verdict in a column.
#[must_use]
pub fn verdict_in(finding: &Finding, column: Revision) -> FindingVerdict {
    if column == Revision::HEADLINE {
        return finding.verdict;
    }
    finding
        .by_revision
        .get(&column)
        .map_or(finding.verdict, |other| other.verdict)
}
