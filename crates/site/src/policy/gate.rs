//! Thresholds: when a run fails, and why.

use std::collections::BTreeMap;

use scanner::check::Severity;
use scanner::evidence::{Evidence, Stopped};
use scanner::grade::supposing;
use scanner::report::{Badge, Class, FindingVerdict, GradeLetter, Report};
use scanner::rubric::Rubric;
use scanner::spec::Revision;

use super::baseline::{Against, Baseline};
use super::suppress::Suppressions;
use super::{Policy, Subject, verdict_in};

/// How one target ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Thresholds met, or none asked.
    Met,
    /// A threshold was missed on evidence that was established.
    Missed,
    /// The question could not be answered.
    Open,
}

/// Whose grade the thresholds use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// Of this revision.
    Of(Revision),
    /// Of the newest revision that the server shows or implies.
    Claimed,
}

impl Column {
    fn of(self, report: &Report) -> Revision {
        match self {
            Self::Of(revision) => revision,
            Self::Claimed => report
                .claimed
                .map_or(Revision::HEADLINE, |claimed| claimed.revision),
        }
    }
}

/// What a run demands.
#[derive(Debug, Clone, Copy)]
pub struct Gate<'g> {
    /// The lowest letter that passes.
    pub fail_under: Option<GradeLetter>,
    /// The least severity whose failures fail the run.
    pub fail_on: Option<Severity>,
    /// Open and static-key servers fall below every letter.
    pub require_auth: bool,
    /// Whose grade is meant.
    pub column: Column,
    /// What is suppressed.
    pub suppressions: Option<&'g Suppressions>,
    /// What is known.
    pub baseline: Option<&'g Baseline>,
    /// The rubric in force.
    pub rubric: &'static Rubric,
    /// There is one target only.
    pub alone: bool,
}

impl Gate<'_> {
    /// Applies the rules to a report and its evidence. Without evidence the gate's grade is
    /// the report's own, also where something is suppressed.
    #[must_use]
    pub fn apply(&self, evidence: Option<&Evidence>, report: Report) -> Subject {
        let column = self.column.of(&report);
        let mut suppressed = BTreeMap::new();
        for finding in &report.findings {
            let waiver = self
                .suppressions
                .and_then(|file| file.covering(&report, finding, column));
            if let Some(waiver) = waiver {
                suppressed.insert(finding.check.clone(), waiver.clone());
            }
        }
        let gate = match evidence.filter(|_| !suppressed.is_empty()) {
            None => report.grades.get(&column).unwrap_or(&report.grade).clone(),
            Some(evidence) => {
                let passed: Vec<&str> = suppressed.keys().map(String::as_str).collect();
                supposing(evidence, self.rubric, column, &passed)
            }
        };
        let mut policy = Policy {
            column,
            gate,
            suppressed,
            against: self
                .baseline
                .and_then(|baseline| baseline.against(&report, self.alone, column)),
            missed: Vec::new(),
            source: self.suppressions.map(|file| file.source.clone()),
        };
        policy.missed = self.missed(&report, &policy);
        let mut subject = Subject { report, policy };
        subject.report.overlay = subject.policy.overlay();
        subject
    }

    fn missed(&self, report: &Report, policy: &Policy) -> Vec<String> {
        let mut out = Vec::new();
        let against = policy.against.as_ref();
        out.extend(self.letter_missed(policy, against));
        let worse =
            |check: &str| against.is_none_or(|against| against.new.iter().any(|new| new == check));
        if let Some(least) = self.fail_on {
            for finding in &report.findings {
                if verdict_in(finding, policy.column) == FindingVerdict::Fail
                    && finding.severity >= least
                    && !policy.suppressed.contains_key(&finding.check)
                    && worse(&finding.check)
                {
                    let new = if against.is_some() {
                        " and did not before"
                    } else {
                        ""
                    };
                    out.push(format!(
                        "{} ({}) fails{new}",
                        finding.check,
                        finding.severity.as_str()
                    ));
                }
            }
        }
        if let Some(against) = against
            && self.fail_on.is_none()
            && self.fail_under.is_none()
        {
            out.extend(
                against
                    .new
                    .iter()
                    .filter(|check| !policy.suppressed.contains_key(*check))
                    .map(|check| format!("{check} got worse since the baseline")),
            );
            if against.lost_letter {
                out.push(lost(against, policy));
            }
        }
        out
    }

    fn letter_missed(&self, policy: &Policy, against: Option<&Against>) -> Option<String> {
        let least = self.fail_under?;
        match (policy.gate.letter, policy.gate.badge) {
            (Some(letter), _) if letter > least => {
                let known =
                    against.is_some_and(|against| against.letter.is_some_and(|was| letter <= was));
                (!known).then(|| format!("letter {} is below {}", letter.as_str(), least.as_str()))
            }
            (None, Some(badge @ (Badge::O | Badge::K))) => {
                if let Some(against) = against.filter(|against| against.lost_letter) {
                    return Some(lost(against, policy));
                }
                let known = against.is_some_and(|against| against.badge == Some(badge));
                (self.require_auth && !known).then(|| {
                    format!(
                        "badge {}: no authorization of MCP protects it",
                        badge.as_str()
                    )
                })
            }
            _ => None,
        }
    }

    /// How a target ends.
    #[must_use]
    pub fn end(subject: &Subject) -> End {
        let report = &subject.report;
        if !subject.policy.missed.is_empty() {
            return End::Missed;
        }
        let unanswered = matches!(report.class, Class::Unreachable | Class::Blocked)
            || subject.policy.gate.badge == Some(Badge::N)
            || !matches!(report.stopped, Stopped::Finished | Stopped::OutOfAsks);
        if unanswered { End::Open } else { End::Met }
    }
}

fn lost(against: &Against, policy: &Policy) -> String {
    format!(
        "the baseline had letter {}, and now the badge is {}",
        against.mark.as_deref().unwrap_or("-"),
        policy.gate.badge.map_or("-", Badge::as_str)
    )
}
