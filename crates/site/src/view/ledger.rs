//! The ledger: which check costs how many points, and that it all adds up.

use scanner::report::Grade;

use super::{tenths, words};

/// One check's cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The check.
    pub check: String,
    /// The sentence that does not hold.
    pub title: String,
    /// Points lost: `2.3`, or `< 0.1`.
    pub points: String,
    /// Length of the bar, 0 to 100, relative to the largest loss.
    pub bar: u32,
    /// Class of the style sheet.
    pub tone: &'static str,
    /// Verdict in words.
    pub verdict: &'static str,
    /// The check whose failure keeps this one from being judged.
    pub blocked_by: Option<String>,
}

/// The whole account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    /// Largest loss first.
    pub lines: Vec<Line>,
    /// Sum of the losses.
    pub lost: String,
    /// What remains.
    pub score: String,
}

impl Ledger {
    /// The account of a grade, if it has a score.
    #[must_use]
    pub fn of(grade: &Grade) -> Option<Self> {
        let score = grade.score?;
        let largest = grade
            .ledger
            .iter()
            .map(|line| line.tenths)
            .max()
            .unwrap_or(0);
        let lost: u32 = grade.ledger.iter().map(|line| line.tenths).sum();
        let lines = grade
            .ledger
            .iter()
            .map(|line| Line {
                check: line.check.clone(),
                title: super::finding::title(&line.check),
                points: match line.tenths {
                    0 => "< 0.1".into(),
                    some => tenths(i64::from(some)),
                },
                bar: (line.tenths * 100).div_ceil(largest.max(1)).max(1),
                tone: words::verdict_class(line.verdict),
                verdict: words::verdict(line.verdict),
                blocked_by: line.blocked_by.clone(),
            })
            .collect();
        Some(Self {
            lines,
            lost: tenths(i64::from(lost)),
            score: format!("{score:.1}"),
        })
    }
}
