//! Where a published grade departs from what was seen: answers that count as inconclusive, that
//! are carried on from an earlier scan, and a letter that is not shown yet.

use super::Resolved;
use crate::check::{Cause, Judgement, Unmet, Verdict};
use crate::checks;
use crate::publish::{Overrides, Why};
use crate::report::{Badge, FindingVerdict, Report};

/// The judgement of one column that counts. What rests on an answer that does not count is
/// inconclusive with it, so this comes before causes are traced.
pub(super) fn judged(check: &str, judgement: Judgement, overrides: &Overrides) -> Judgement {
    match (overrides.of(check).map(|one| one.why), &judgement) {
        (Some(Why::Unconfirmed), Ok(Verdict::Fail(_))) => {
            Err(Unmet::Inconclusive(Cause::Other("unconfirmed")))
        }
        (Some(Why::Flapping), Ok(_)) => Err(Unmet::Inconclusive(Cause::Other("flapping"))),
        _ => judgement,
    }
}

/// Puts an earlier answer where this scan could not tell.
pub(super) fn carry(check: &str, resolved: &mut Resolved, overrides: &Overrides) {
    let Some(stands) = overrides
        .of(check)
        .filter(|one| one.why == Why::Carried)
        .and_then(|one| one.stands.as_ref())
    else {
        return;
    };
    if resolved.verdict != FindingVerdict::Inconclusive {
        return;
    }
    resolved.verdict = stands.verdict;
    resolved.reason.clone_from(&stands.reason);
    resolved.severity = stands.severity;
    resolved.at = Vec::new();
    resolved.blocked_by = stands
        .blocked_by
        .as_deref()
        .and_then(checks::by_id)
        .map(|cause| cause.id);
    resolved.blocked_by_fail =
        stands.verdict == FindingVerdict::Na && resolved.blocked_by.is_some();
    resolved.detail = match stands.verdict {
        FindingVerdict::Pass => String::new(),
        _ => "Seen in an earlier scan; this one could not tell.".into(),
    };
}

/// Takes the letters out of a report: there is not enough evidence for one yet.
pub(super) fn hide_letter(report: &mut Report, overrides: &Overrides) {
    if overrides.letter.is_none() {
        return;
    }
    let grades = report
        .grades
        .values_mut()
        .chain(std::iter::once(&mut report.grade))
        .chain(report.verified.as_mut());
    for grade in grades.filter(|grade| grade.letter.is_some()) {
        grade.letter = None;
        grade.badge = Some(Badge::N);
        grade.score = None;
        grade.uncapped = None;
        grade.doubtful = false;
        grade.caps.clear();
        grade.ledger.clear();
        for category in &mut grade.categories {
            category.score = None;
        }
        grade.sub.resource = None;
        grade.sub.authorization_server = None;
    }
}
