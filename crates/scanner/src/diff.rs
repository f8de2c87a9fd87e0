//! What changed between two reports of one rubric, and who caused it (product section 6.4).

mod pair;

use serde::{Deserialize, Serialize};

use self::pair::Pair;
use crate::evidence::Evidence;
use crate::report::{FindingVerdict, Report};

/// Two reports were made under different rubrics; grade the older evidence again first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "comparing reports: one is of rubric {before}, the other of {after}; grade the older evidence again first"
)]
pub struct RubricMismatch {
    /// Rubric of the earlier report.
    pub before: String,
    /// Rubric of the later report.
    pub after: String,
}

/// Kinds of verdict change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// Worse.
    Regressed,
    /// Better.
    Fixed,
    /// Had no verdict before.
    NewlyJudged,
    /// Has no verdict any more.
    NoLongerJudged,
    /// Same verdict, other reason or sentence.
    Reworded,
}

impl Group {
    /// All groups, in the order in which readers want them.
    pub const ALL: [Self; 5] = [
        Self::Regressed,
        Self::Fixed,
        Self::NewlyJudged,
        Self::NoLongerJudged,
        Self::Reworded,
    ];

    /// The words readers see.
    #[must_use]
    pub fn heading(self) -> &'static str {
        match self {
            Self::Regressed => "Regressed",
            Self::Fixed => "Fixed",
            Self::NewlyJudged => "Newly judged",
            Self::NoLongerJudged => "No longer judged",
            Self::Reworded => "Evidence changed, verdict the same",
        }
    }
}

/// Who or what caused a change; the first rule that fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The network, or something in front of the server.
    Network,
    /// We asked something else.
    Scanner,
    /// The listing says something else.
    Listing,
    /// An authorization server that the server named before and after.
    AuthorizationServer,
    /// The server.
    Server,
}

impl Cause {
    /// The word used in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Scanner => "scanner",
            Self::Listing => "listing",
            Self::AuthorizationServer => "authorization_server",
            Self::Server => "server",
        }
    }
}

/// One check whose answer changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictChange {
    /// The check.
    pub check: String,
    /// Verdict before; `None` if the check did not exist.
    pub before: Option<FindingVerdict>,
    /// Verdict after; `None` if the check no longer exists.
    pub after: Option<FindingVerdict>,
    /// Kind of change.
    pub group: Group,
    /// Tenths of a point gained (positive) or lost.
    pub tenths: i64,
    /// Who caused it.
    pub cause: Cause,
}

/// The change of the score that one cause explains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CausePart {
    /// The cause.
    pub cause: Cause,
    /// Tenths of a point gained (positive) or lost.
    pub tenths: i64,
}

/// The difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diff {
    /// Changed checks in catalogue order.
    pub verdicts: Vec<VerdictChange>,
    /// Change of the score in tenths, if both sides have one.
    pub score_delta_tenths: Option<i64>,
    /// The parts of that change by cause; they add up to it.
    pub causes: Vec<CausePart>,
    /// The surfaces are equal: nothing observable changed.
    pub identical: bool,
}

impl Diff {
    /// The changes of one group.
    pub fn group(&self, group: Group) -> impl Iterator<Item = &VerdictChange> {
        self.verdicts
            .iter()
            .filter(move |change| change.group == group)
    }

    /// The cause that explains most; of the verdict changes when no score moved.
    #[must_use]
    pub fn main_cause(&self) -> Option<Cause> {
        self.causes
            .iter()
            .max_by_key(|part| (part.tenths.abs(), std::cmp::Reverse(part.cause)))
            .map(|part| part.cause)
            .or_else(|| self.verdicts.iter().map(|change| change.cause).max())
    }
}

/// A report with the evidence it was computed from.
#[derive(Debug, Clone, Copy)]
pub struct Graded<'r> {
    /// The evidence.
    pub evidence: &'r Evidence,
    /// The report.
    pub report: &'r Report,
}

/// Compares two scans under one rubric.
///
/// # Errors
///
/// If the reports are of different rubrics.
pub fn between(before: Graded<'_>, after: Graded<'_>) -> Result<Diff, RubricMismatch> {
    of(&Pair::new(before, after))
}

/// Compares two reports whose evidence is not at hand. Causes are then read off the places
/// that the findings point at, and the listings, instead of the answers themselves.
///
/// # Errors
///
/// If the reports are of different rubrics.
pub fn between_reports(before: &Report, after: &Report) -> Result<Diff, RubricMismatch> {
    of(&Pair::of_reports(before, after))
}

fn of(pair: &Pair<'_>) -> Result<Diff, RubricMismatch> {
    let (a, b) = (pair.a, pair.b);
    if a.grade.rubric != b.grade.rubric {
        return Err(RubricMismatch {
            before: a.grade.rubric.clone(),
            after: b.grade.rubric.clone(),
        });
    }
    let mut verdicts = Vec::new();
    let mut reweighted: Vec<(String, i64)> = Vec::new();
    for check in pair.checks() {
        let delta = pair.tenths(a, &check) - pair.tenths(b, &check);
        match pair.change(&check, delta) {
            Some(change) => verdicts.push(change),
            None if delta != 0 => reweighted.push((check, delta)),
            None => (),
        }
    }
    let score_delta_tenths = match (a.grade.score, b.grade.score) {
        (Some(a), Some(b)) => Some(tenths(b) - tenths(a)),
        _ => None,
    };
    let causes = match score_delta_tenths {
        Some(_) => parts(&verdicts, &reweighted),
        None => Vec::new(),
    };
    Ok(Diff {
        identical: a.evidence.surface_sha256 == b.evidence.surface_sha256,
        verdicts,
        score_delta_tenths,
        causes,
    })
}

fn tenths(score: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "scores are 0.0 to 100.0")]
    let tenths = (score * 10.0).round() as i64;
    tenths
}

/// Sums by cause; what only moved because weights moved goes to the largest cause of its
/// category, else to the largest of all, else to the server.
fn parts(verdicts: &[VerdictChange], reweighted: &[(String, i64)]) -> Vec<CausePart> {
    let mut parts: Vec<CausePart> = Vec::new();
    let mut by_category: Vec<(usize, CausePart)> = Vec::new();
    for change in verdicts.iter().filter(|change| change.tenths != 0) {
        let part = CausePart {
            cause: change.cause,
            tenths: change.tenths,
        };
        add(&mut parts, part);
        if let Some(category) = category_of(&change.check) {
            by_category.push((category, part));
        }
    }
    let largest = |parts: &[CausePart]| {
        parts
            .iter()
            .max_by_key(|part| (part.tenths.abs(), std::cmp::Reverse(part.cause)))
            .map(|part| part.cause)
    };
    let of_all = largest(&parts)
        .or_else(|| verdicts.iter().map(|change| change.cause).max())
        .unwrap_or(Cause::Server);
    for (check, tenths) in reweighted {
        let mut here: Vec<CausePart> = Vec::new();
        for (category, part) in &by_category {
            if category_of(check) == Some(*category) {
                add(&mut here, *part);
            }
        }
        add(
            &mut parts,
            CausePart {
                cause: largest(&here).unwrap_or(of_all),
                tenths: *tenths,
            },
        );
    }
    parts.sort_by_key(|part| part.cause);
    parts.retain(|part| part.tenths != 0);
    parts
}

fn add(parts: &mut Vec<CausePart>, part: CausePart) {
    match parts.iter_mut().find(|known| known.cause == part.cause) {
        Some(known) => known.tenths += part.tenths,
        None => parts.push(part),
    }
}

fn category_of(check: &str) -> Option<usize> {
    crate::rubric::category(crate::checks::by_id(check)?)
}

/// The kind of change between two verdicts; `None` if they are the same kind of answer.
fn group(before: FindingVerdict, after: FindingVerdict) -> Option<Group> {
    use FindingVerdict::{Fail, Inconclusive, Na, Pass, Warn};
    match (before, after) {
        (Pass, Pass) | (Warn, Warn) | (Fail, Fail) | (Na | Inconclusive, Na | Inconclusive) => None,
        (Pass, Warn | Fail) | (Warn, Fail) => Some(Group::Regressed),
        (Warn | Fail, Pass) | (Fail, Warn) => Some(Group::Fixed),
        (Na | Inconclusive, Pass | Warn | Fail) => Some(Group::NewlyJudged),
        (Pass | Warn | Fail, Na | Inconclusive) => Some(Group::NoLongerJudged),
    }
}

#[cfg(test)]
mod tests {
    use super::{Cause, Graded, Group, between, between_reports};
    use crate::checks::testkit::World;
    use crate::evidence::Evidence;
    use crate::grade::grade;
    use crate::report::Report;
    use crate::rubric;

    fn graded(world: &World) -> (Evidence, Report) {
        let evidence = world.scan();
        let report = grade(&evidence, rubric::current());
        (evidence, report)
    }

    #[test]
    fn a_scan_does_not_differ_from_itself() {
        let (evidence, report) = graded(&World::compliant());
        let side = Graded {
            evidence: &evidence,
            report: &report,
        };
        let diff = between(side, side).expect("one rubric");
        assert!(diff.identical);
        assert!(diff.verdicts.is_empty());
        assert_eq!(diff.score_delta_tenths, Some(0));
    }

    #[test]
    fn a_change_at_the_authorization_server_is_its_own() {
        let (e1, r1) = graded(&World::compliant());
        let mut world = World::compliant();
        world.asm(|asm| {
            asm.as_object_mut()
                .expect("an object")
                .remove("code_challenge_methods_supported");
        });
        let (e2, r2) = graded(&world);
        let diff = between(
            Graded {
                evidence: &e1,
                report: &r1,
            },
            Graded {
                evidence: &e2,
                report: &r2,
            },
        )
        .expect("one rubric");
        let change = diff
            .verdicts
            .iter()
            .find(|change| change.check == "pkce-advertised")
            .expect("it regressed");
        assert_eq!(change.group, Group::Regressed);
        assert_eq!(change.cause, Cause::AuthorizationServer);
        let sum: i64 = diff.causes.iter().map(|part| part.tenths).sum();
        assert_eq!(Some(sum), diff.score_delta_tenths);
        let without_evidence = between_reports(&r1, &r2).expect("one rubric");
        assert_eq!(without_evidence, diff);
    }

    #[test]
    fn rubrics_are_not_mixed() {
        let (evidence, report) = graded(&World::compliant());
        let mut other = report.clone();
        other.grade.rubric = "1999.1".into();
        let a = Graded {
            evidence: &evidence,
            report: &report,
        };
        let b = Graded {
            evidence: &evidence,
            report: &other,
        };
        assert!(between(a, b).is_err());
    }
}
