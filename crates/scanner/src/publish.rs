//! What of a server's results is published, and when (product section 10.3).
//!
//! A report says what was seen. Whether strangers are shown it is a second step, as pure as the
//! first: it looks at the reports since the published one and decides whether bad news was seen
//! twice, whether its operator has to be told before, and whether a check that changes with every
//! scan says anything at all. What the published grade leaves out or adds is written down as
//! [`Overrides`], so that anybody can compute it again from the evidence.
//!
//! The steps of a filing: [`adjust`] the newest result by what came before, grade with these
//! overrides ([`crate::grade::grade_with`]), [`settle`], and grade once more if settling asked
//! for further overrides.

mod history;
mod news;
mod rules;
mod settle;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::check::{ProbeClass, Severity};
use crate::report::{Badge, Class, FindingVerdict, GradeLetter, Report};
use crate::time::Millis;

pub use history::adjust;
pub use news::{News, bad_news};
pub use rules::Rules;
pub use settle::settle;

/// Checks whose failure can be abused by whoever reads of it (catalogue section 0.8).
pub const ABUSABLE: [&str; 6] = [
    "jwks-no-private-keys",
    "hygiene-secrets",
    "token-bogus-rejected",
    "token-forged-jwt-rejected",
    "era-auth-parity",
    "exposure-key-in-url",
];

/// What became of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Shown.
    Published,
    /// Kept back for now.
    Held,
    /// Outvoted by later scans.
    NotReproduced,
    /// Confirmed, and repaired before it was shown: never shown.
    Withdrawn,
}

impl Standing {
    /// The number under which it is stored.
    #[must_use]
    pub fn code(self) -> i64 {
        match self {
            Self::Published => 0,
            Self::Held => 1,
            Self::NotReproduced => 2,
            Self::Withdrawn => 3,
        }
    }

    /// The standing with this number. An unknown one is of a newer program: it is not shown.
    #[must_use]
    pub fn of_code(code: i64) -> Self {
        match code {
            0 => Self::Published,
            2 => Self::NotReproduced,
            3 => Self::Withdrawn,
            _ => Self::Held,
        }
    }
}

/// Why a result is held, or masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Bad news that was seen once.
    Confirming,
    /// Confirmed; its operator has time to act.
    Notified,
    /// Publishing stands still for everybody.
    Frozen,
}

impl Reason {
    /// The word that is stored. It is never shown to strangers: all holds look alike.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Confirming => "confirming",
            Self::Notified => "notified",
            Self::Frozen => "frozen",
        }
    }
}

/// Why the published answer of a check is not the one that was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// A failure of high or critical severity in a first scan: counts as inconclusive until it
    /// is seen again.
    Unconfirmed,
    /// The answer keeps changing: counts as inconclusive.
    Flapping,
    /// It could not be told this time: the published answer stands, for two scans.
    Carried,
}

/// A check's answer, as far as publishing asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The verdict.
    pub verdict: FindingVerdict,
    /// Its reason code.
    pub reason: String,
    /// After the rule for sub-classes.
    pub severity: Severity,
    /// The check that stands in the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked_by: Option<String>,
}

impl Answer {
    fn same(&self, other: &Self) -> bool {
        self.verdict == other.verdict && self.reason == other.reason
    }

    fn grave(&self) -> bool {
        self.severity >= Severity::High
    }
}

/// One check whose published answer is not the one that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// Id of the check.
    pub check: String,
    /// Why.
    pub why: Why,
    /// What was seen.
    pub seen: Answer,
    /// What stands instead, for a carried answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stands: Option<Answer>,
}

/// What a published grade changes about what was seen. With the evidence and the rubric it
/// determines the published report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overrides {
    /// Checks with another answer, in the order of their ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Override>,
    /// The letter that is not shown before the second look at a server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub letter: Option<GradeLetter>,
}

impl Overrides {
    /// Nothing differs from what was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.checks.is_empty() && self.letter.is_none()
    }

    /// The override of a check.
    #[must_use]
    pub fn of(&self, check: &str) -> Option<&Override> {
        self.checks.iter().find(|one| one.check == check)
    }
}

/// A stretch of equal results, reduced to what publishing compares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// When the first of its scans was made.
    pub first_at: Millis,
    /// When the last was made.
    pub last_at: Millis,
    /// How many there were.
    pub scans: u32,
    /// What became of it.
    pub standing: Standing,
    /// When its bad news was seen for the second time.
    pub confirmed_at: Option<Millis>,
    /// Number of the plan by which it was asked.
    pub plan: u32,
    /// Server class.
    pub class: Class,
    /// Letter of the headline grade.
    pub letter: Option<GradeLetter>,
    /// Badge instead of a letter.
    pub badge: Option<Badge>,
    /// The lowest cap, as a report writes it.
    pub cap: Option<String>,
    /// Answers of public checks (classes P0 and P1), overrides applied.
    pub answers: BTreeMap<String, Answer>,
    /// What is not as it was seen.
    pub overrides: Overrides,
}

impl Observed {
    /// The result of one scan that ended at `at`. `report` has `overrides` applied.
    #[must_use]
    pub fn of(report: &Report, overrides: Overrides, at: Millis) -> Self {
        let public = report
            .findings
            .iter()
            .filter(|finding| matches!(finding.class, ProbeClass::P0 | ProbeClass::P1));
        Self {
            first_at: at,
            last_at: at,
            scans: 1,
            standing: Standing::Published,
            confirmed_at: None,
            plan: report.scanner.plan,
            class: report.class,
            letter: report.grade.letter,
            badge: report.grade.badge,
            cap: report.grade.caps.first().map(|cap| cap.letter.clone()),
            answers: public
                .map(|finding| {
                    let answer = Answer {
                        verdict: finding.verdict,
                        reason: finding.reason.clone(),
                        severity: finding.severity,
                        blocked_by: finding.blocked_by.clone(),
                    };
                    (finding.check.clone(), answer)
                })
                .collect(),
            overrides,
        }
    }

    /// What was seen of a check, before any override.
    fn seen(&self, check: &str) -> Option<&Answer> {
        match self.overrides.of(check) {
            Some(one) => Some(&one.seen),
            None => self.answers.get(check),
        }
    }

    /// The letter that was seen, whether it is shown or not.
    fn seen_letter(&self) -> Option<GradeLetter> {
        self.overrides.letter.or(self.letter)
    }

    /// Abusable checks that fail.
    fn abusable(&self) -> impl Iterator<Item = &'static str> + '_ {
        ABUSABLE.into_iter().filter(|check| {
            self.seen(check)
                .is_some_and(|answer| answer.verdict == FindingVerdict::Fail)
        })
    }
}

/// What is known of a server before its newest result.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Id of the server; decides its jitter.
    pub server: &'a str,
    /// Its results, oldest first: at least the published one, all that are held, and as many as
    /// hold the last four scans.
    pub looks: &'a [Observed],
    /// A D, an E or an F of this server was published before.
    pub published_low: bool,
}

impl Known<'_> {
    fn published(&self) -> Option<&Observed> {
        self.looks
            .iter()
            .rev()
            .find(|look| look.standing == Standing::Published)
    }
}

/// What is to be done with the newest result, and with those that were waiting for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// Whether it is shown.
    pub standing: Standing,
    /// Why it is not, or why it is masked.
    pub reason: Option<Reason>,
    /// When the wait ends at the latest.
    pub until: Option<Millis>,
    /// When its bad news was seen for the second time.
    pub confirmed_at: Option<Millis>,
    /// What the published grade changes about it.
    pub overrides: Overrides,
    /// Checks of which the evidence is left blank.
    pub withheld: Vec<String>,
    /// When to look again, at the latest.
    pub again: Option<Millis>,
    /// What becomes of earlier results: position in [`Known::looks`], and the new standing.
    pub earlier: Vec<(usize, Standing)>,
}

impl Publication {
    /// Shown as it was seen.
    #[must_use]
    pub fn plain() -> Self {
        Self {
            standing: Standing::Published,
            reason: None,
            until: None,
            confirmed_at: None,
            overrides: Overrides::default(),
            withheld: Vec::new(),
            again: None,
            earlier: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
