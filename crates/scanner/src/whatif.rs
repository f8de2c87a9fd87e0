//! What a grade would be if some findings were fixed, and which few fixes raise the letter most
//! cheaply. Computed from recorded evidence; nothing is asked and nothing is kept.
//!
//! A check that could not be judged because of a fixed one becomes unknown, so the answer is a
//! range: at the low end such checks stay without credit, at the high end they pass.

use std::collections::BTreeSet;

use crate::attribution::attribute;
use crate::check::{Area, Check};
use crate::checks;
use crate::evidence::Evidence;
use crate::facts::Facts;
use crate::grade::{Resolved, Scope, grade_of, resolve};
use crate::report::{FindingVerdict, Fixer, Grade, GradeLetter};
use crate::rubric::Rubric;
use crate::spec::Revision;

/// Fixes that may be supposed at a time.
pub const MOST_FIXES: usize = 20;
/// Fixes that [`Supposition::path`] proposes at most.
pub const LONGEST_PATH: usize = 5;

/// The two ends of a supposed grade; equal when nothing stood behind the fixed checks.
#[derive(Debug, Clone, PartialEq)]
pub struct Range {
    /// What was blocked by a fixed check stays without credit.
    pub low: Grade,
    /// What was blocked by a fixed check passes.
    pub high: Grade,
    /// The checks nobody knows about, in catalogue order.
    pub unknown: Vec<&'static str>,
}

/// A few fixes that raise the letter.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    /// Checks to fix, in the order found.
    pub fixes: Vec<&'static str>,
    /// The grade with all of them fixed.
    pub range: Range,
}

/// Why a set of fixes has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotFixable {
    /// No check has that id.
    #[error("`{0}` is not the id of a check; /checks lists them")]
    Unknown(String),
    /// The check neither warns nor fails here.
    #[error("{0} neither warns nor fails in this scan, so there is nothing to fix")]
    NothingToFix(&'static str),
    /// More than [`MOST_FIXES`].
    #[error("at most 20 fixes can be supposed at a time, not {0}")]
    TooMany(usize),
}

/// One scan's answers under a rubric and revision, judged once, to suppose fixes about.
pub struct Supposition<'e> {
    facts: Facts<'e>,
    rubric: &'e Rubric,
    revision: Revision,
    resolved: Vec<Resolved>,
}

impl<'e> Supposition<'e> {
    /// Judges the evidence.
    #[must_use]
    pub fn new(evidence: &'e Evidence, rubric: &'e Rubric, revision: Revision) -> Self {
        let facts = Facts::new(evidence);
        let resolved = resolve(&facts, revision);
        Self {
            facts,
            rubric,
            revision,
            resolved,
        }
    }

    /// The checks that warn or fail, in catalogue order: those that can be fixed.
    pub fn fixable(&self) -> impl Iterator<Item = &'static str> {
        checks::all()
            .zip(&self.resolved)
            .filter(|(_, answer)| faulty(answer) && !answer.retired)
            .map(|(check, _)| check.id)
    }

    /// Reads ids of checks, in any order and with repetitions, into a set that can be fixed.
    ///
    /// # Errors
    ///
    /// If there are more than [`MOST_FIXES`], or one of them is unknown or passes.
    pub fn read<'t>(
        &self,
        ids: impl IntoIterator<Item = &'t str>,
    ) -> Result<BTreeSet<&'static str>, NotFixable> {
        let mut fixes = BTreeSet::new();
        for id in ids {
            let check = checks::by_id(id).ok_or_else(|| {
                NotFixable::Unknown(id.chars().filter(|c| !c.is_control()).take(64).collect())
            })?;
            if !self.fixable().any(|fixable| fixable == check.id) {
                return Err(NotFixable::NothingToFix(check.id));
            }
            fixes.insert(check.id);
        }
        if fixes.len() > MOST_FIXES {
            return Err(NotFixable::TooMany(fixes.len()));
        }
        Ok(fixes)
    }

    /// The grade with these checks fixed; the real grade for the empty set.
    #[must_use]
    pub fn with(&self, fixes: &BTreeSet<&'static str>) -> Range {
        let mut low = self.resolved.clone();
        let mut high = self.resolved.clone();
        let mut unknown = Vec::new();
        for (position, check) in checks::all().enumerate() {
            let answer = &self.resolved[position];
            if fixes.contains(check.id) && faulty(answer) {
                low[position].verdict = FindingVerdict::Pass;
                high[position].verdict = FindingVerdict::Pass;
            }
            if answer.blocked_by_fail && answer.blocked_by.is_some_and(|by| fixes.contains(by)) {
                unknown.push(check.id);
                high[position].verdict = FindingVerdict::Pass;
                high[position].blocked_by_fail = false;
                high[position].blocked_by = None;
            }
        }
        let grade = |resolved: &[Resolved]| {
            grade_of(
                &self.facts,
                resolved,
                self.revision,
                self.rubric,
                Scope::Public,
            )
        };
        Range {
            low: grade(&low),
            high: grade(&high),
            unknown,
        }
    }

    /// A cheap way to a better letter: the checks of the lowest cap while a cap sets the
    /// letter, else the check that costs most for its effort. `None` where there is no letter,
    /// or none better within [`LONGEST_PATH`] fixes.
    #[must_use]
    pub fn path(&self) -> Option<Path> {
        let now = self.with(&BTreeSet::new()).high;
        let start = now.letter?;
        let mut fixes: Vec<&'static str> = Vec::new();
        let mut grade = now;
        loop {
            let next = self.next(&grade, &fixes);
            if next.is_empty() || fixes.len() + next.len() > LONGEST_PATH {
                return None;
            }
            fixes.extend(next);
            let range = self.with(&fixes.iter().copied().collect());
            // Letters order from best to worst.
            if range.high.letter.is_some_and(|letter| letter < start) {
                return Some(Path { fixes, range });
            }
            grade = range.high;
        }
    }

    /// What to fix next.
    fn next(&self, grade: &Grade, done: &[&'static str]) -> Vec<&'static str> {
        let open = |id: &str| {
            self.fixable()
                .find(|fixable| *fixable == id && !done.contains(fixable))
        };
        if capped(grade) {
            let Some(lowest) = grade.caps.first() else {
                return Vec::new();
            };
            let caps: Vec<&crate::report::Cap> = grade
                .caps
                .iter()
                .filter(|cap| cap.letter == lowest.letter)
                .collect();
            let fixes: BTreeSet<&'static str> =
                caps.iter().filter_map(|cap| open(&cap.check)).collect();
            // A cap that no fix lifts, such as that of the old transport.
            let stays = caps.iter().any(|cap| !fixes.contains(cap.check.as_str()));
            return if stays {
                Vec::new()
            } else {
                fixes.into_iter().collect()
            };
        }
        grade
            .ledger
            .iter()
            .filter_map(|line| {
                let id = open(line.blocked_by.as_deref().unwrap_or(&line.check))?;
                Some((id, line.tenths.max(1) * 4 / self.effort(id)))
            })
            // The first of equal ones: the ledger's order.
            .reduce(|best, other| if other.1 > best.1 { other } else { best })
            .map(|(id, _)| vec![id])
            .unwrap_or_default()
    }

    /// How much work a fix is: 1 for what a server's operator declares, 2 for what its code
    /// does or a tenant sets, 4 for what only a vendor can change.
    fn effort(&self, id: &str) -> u32 {
        let found = checks::all()
            .zip(&self.resolved)
            .find(|(check, _)| check.id == id);
        let Some((check, answer)) = found else {
            return 4;
        };
        match attribute(&self.facts, check, &answer.reason, &answer.at).to {
            Fixer::Operator if declares(check) => 1,
            Fixer::Operator | Fixer::AsTenant => 2,
            Fixer::AsVendor => 4,
        }
    }
}

/// Whether a check is about what a server says rather than what it does.
fn declares(check: &Check) -> bool {
    matches!(
        check.area,
        Area::Challenge | Area::ResourceMetadata | Area::Scopes | Area::Hygiene
    )
}

fn faulty(answer: &Resolved) -> bool {
    matches!(answer.verdict, FindingVerdict::Warn | FindingVerdict::Fail)
}

/// Whether the letter is worse than what the score alone would give.
fn capped(grade: &Grade) -> bool {
    match (grade.letter, grade.uncapped) {
        (Some(letter), Some(band)) => letter > band && letter > GradeLetter::APlus,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
