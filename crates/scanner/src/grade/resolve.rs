//! Every check's answer in one column, with blocked checks traced to their root cause
//! (section 0.6) and retired requirements judged in an older column (b.3).

use std::collections::BTreeMap;

use super::overriding;
use crate::check::{Cause, Check, Judgement, Na, Place, Severity, Unmet, Verdict};
use crate::checks;
use crate::facts::Facts;
use crate::publish::Overrides;
use crate::report::FindingVerdict;
use crate::spec::{Letter, Revision};

/// One check's answer, flattened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The verdict.
    pub verdict: FindingVerdict,
    /// Reason code; `ok` for a pass.
    pub reason: String,
    /// One sentence; empty for a pass.
    pub detail: String,
    /// The check's severity, or that of the sub-class.
    pub severity: Severity,
    /// Places that show it.
    pub at: Vec<Place>,
    /// The root cause, where the check could not be judged because of another one.
    pub blocked_by: Option<&'static str>,
    /// The root cause failed: a blocked MUST counts with credit 0.
    pub blocked_by_fail: bool,
    /// The column it was judged in.
    pub column: Revision,
    /// The requirement is retired in the graded revision: shown, not scored, not capped.
    pub retired: bool,
    /// Result of a comparison of identifiers.
    pub relation: Option<&'static str>,
}

/// The answers of all checks in one column, in catalogue order.
#[must_use]
pub fn resolve(facts: &Facts<'_>, revision: Revision) -> Vec<Resolved> {
    resolve_with(facts, revision, &Overrides::default())
}

/// The same with what a publication changes.
pub(super) fn resolve_with(
    facts: &Facts<'_>,
    revision: Revision,
    overrides: &Overrides,
) -> Vec<Resolved> {
    let judged: Vec<(&'static Check, Revision, bool, Judgement)> = checks::all()
        .map(|check| {
            let (column, retired) = column(check, facts, revision);
            let judgement = checks::judge(check, facts, column);
            let judgement = overriding::judged(check.id, judgement, overrides);
            (check, column, retired, judgement)
        })
        .collect();
    let by_id: BTreeMap<&str, &Judgement> = judged
        .iter()
        .map(|(check, _, _, judgement)| (check.id, judgement))
        .collect();
    judged
        .iter()
        .map(|(check, column, retired, judgement)| {
            let mut resolved = flatten(check, judgement, &by_id);
            resolved.column = *column;
            resolved.retired = *retired;
            overriding::carry(check.id, &mut resolved, overrides);
            resolved
        })
        .collect()
}

/// The column in which a check is judged when `revision` is graded: the revision itself, or
/// for a retired requirement the newest column in force that the server speaks.
fn column(check: &Check, facts: &Facts<'_>, revision: Revision) -> (Revision, bool) {
    if check.revisions.at(revision) != Letter::R {
        return (revision, false);
    }
    let older = Revision::ALL
        .into_iter()
        .rev()
        .filter(|column| *column < revision)
        .find(|column| check.revisions.in_force(*column) && facts.speaks(*column));
    (older.unwrap_or(revision), true)
}

/// What stands at the root of a chain of blocked checks.
enum Root {
    Failed(&'static str),
    Inconclusive(&'static str),
    Settled,
}

fn root(by: &'static str, by_id: &BTreeMap<&str, &Judgement>) -> Root {
    let mut cause = by;
    // No chain is longer than the catalogue; a cycle would be a fault of the checks.
    for _ in 0..by_id.len() {
        match by_id.get(cause) {
            Some(Ok(Verdict::Fail(_))) => return Root::Failed(cause),
            Some(Err(Unmet::Inconclusive(_))) => return Root::Inconclusive(cause),
            Some(Err(Unmet::Blocked(next))) if *next != cause => cause = next,
            Some(Ok(_) | Err(_)) | None => return Root::Settled,
        }
    }
    Root::Settled
}

fn flatten(check: &Check, judgement: &Judgement, by_id: &BTreeMap<&str, &Judgement>) -> Resolved {
    let mut out = Resolved {
        verdict: FindingVerdict::Pass,
        reason: "ok".into(),
        detail: String::new(),
        severity: check.severity,
        at: Vec::new(),
        blocked_by: None,
        blocked_by_fail: false,
        column: Revision::HEADLINE,
        retired: false,
        relation: None,
    };
    match judgement {
        Ok(Verdict::Pass) => (),
        Ok(Verdict::Warn(fault) | Verdict::Fail(fault)) => {
            out.verdict = match judgement {
                Ok(Verdict::Warn(_)) => FindingVerdict::Warn,
                _ => FindingVerdict::Fail,
            };
            out.reason = fault.reason.into();
            out.detail = fault.said.clone();
            out.at = fault.at.clone();
            out.severity = fault.severity.unwrap_or(check.severity);
            out.relation = fault.relation;
        }
        Err(Unmet::NotApplicable(na)) => {
            out.verdict = FindingVerdict::Na;
            out.reason = na.code().into();
            out.detail = na_sentence(*na);
        }
        Err(Unmet::Inconclusive(cause)) => {
            out.verdict = FindingVerdict::Inconclusive;
            out.reason = cause.code().into();
            out.detail = cause_sentence(*cause);
        }
        Err(Unmet::Blocked(by)) => match root(by, by_id) {
            Root::Failed(cause) => {
                out.verdict = FindingVerdict::Na;
                out.reason = "blocked".into();
                out.detail = format!("Cannot be judged until {cause} is fixed.");
                out.blocked_by = Some(cause);
                out.blocked_by_fail = true;
            }
            Root::Inconclusive(cause) => {
                out.verdict = FindingVerdict::Inconclusive;
                out.reason = Cause::CauseInconclusive.code().into();
                out.detail = format!("Rests on {cause}, which could not be told.");
                out.blocked_by = Some(cause);
            }
            Root::Settled => {
                out.verdict = FindingVerdict::Na;
                out.reason = Na::AbsentByChoice.code().into();
                out.detail = na_sentence(Na::AbsentByChoice);
            }
        },
    }
    out
}

fn na_sentence(na: Na) -> String {
    match na {
        Na::NotInRevision => "Not part of this revision.".into(),
        Na::Class => "Does not apply to this kind of server.".into(),
        Na::Era => "Does not apply to the protocol era this server speaks.".into(),
        Na::AbsentByChoice => "There is nothing of the kind to judge.".into(),
        Na::Depth => "Needs a deeper scan, with the owner's consent.".into(),
        Na::Loopback => "Plain http on loopback is judged as trustworthy.".into(),
        Na::Other(code) => format!("Does not apply: {}.", code.replace('_', " ")),
    }
}

fn cause_sentence(cause: Cause) -> String {
    match cause {
        Cause::Network => "No attempt got an answer.".into(),
        Cause::ServerFault => "Every attempt was answered with a server error.".into(),
        Cause::Intermediary => "Something in front of the server answered instead.".into(),
        Cause::RateLimited => "The server asked us to slow down, so we stopped.".into(),
        Cause::Truncated => "The answer was longer than we read.".into(),
        Cause::OutOfTime => "The scan ended before this was asked.".into(),
        Cause::CauseInconclusive => "Rests on something that could not be told.".into(),
        Cause::NotCaptured => "This scan did not ask.".into(),
        Cause::Other("unconfirmed") => "Seen once; it counts when it is seen again.".into(),
        Cause::Other("flapping") => "The answer changes from scan to scan.".into(),
        Cause::Other(code) => format!("Could not be told: {}.", code.replace('_', " ")),
    }
}
