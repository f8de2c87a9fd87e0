//! The ledger: which check costs how many points, and that it all adds up.

use scanner::report::{Grade, LedgerLine};

use super::{tenths, words};

/// What one check costs, or all checks together that a failing one keeps from being judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The check; for several, the one that stands in their way.
    pub check: String,
    /// Points lost: `−2.3`, or `< 0.1`.
    pub points: String,
    /// Length of the bar, 0 to 100, relative to the largest loss.
    pub bar: u32,
    /// Class of the style sheet.
    pub tone: &'static str,
    /// Verdict in words.
    pub verdict: &'static str,
    /// The checks that were not judged, with their points; empty for a line of one check.
    pub blocked: Vec<(String, String)>,
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
        let mut entries: Vec<(u32, Line)> = Vec::new();
        for line in &grade.ledger {
            let Some(cause) = &line.blocked_by else {
                entries.push((line.tenths, single(line)));
                continue;
            };
            let item = (line.check.clone(), points(line.tenths));
            let known = entries
                .iter_mut()
                .find(|(_, entry)| entry.check == *cause && !entry.blocked.is_empty());
            match known {
                Some((sum, entry)) => {
                    *sum += line.tenths;
                    entry.blocked.push(item);
                }
                None => entries.push((
                    line.tenths,
                    Line {
                        check: cause.clone(),
                        blocked: vec![item],
                        ..single(line)
                    },
                )),
            }
        }
        entries.sort_by_key(|(sum, _)| std::cmp::Reverse(*sum));
        let largest = entries.first().map_or(1, |(sum, _)| (*sum).max(1));
        let lost: u32 = entries.iter().map(|(sum, _)| sum).sum();
        Some(Self {
            lines: entries
                .into_iter()
                .map(|(sum, line)| Line {
                    points: points(sum),
                    bar: (sum * 100).div_ceil(largest).max(1),
                    ..line
                })
                .collect(),
            lost: tenths(i64::from(lost)),
            score: format!("{score:.1}"),
        })
    }
}

fn single(line: &LedgerLine) -> Line {
    Line {
        check: line.check.clone(),
        points: String::new(),
        bar: 0,
        tone: words::verdict_class(line.verdict),
        verdict: words::verdict(line.verdict),
        blocked: Vec::new(),
    }
}

fn points(lost: u32) -> String {
    match lost {
        0 => "< 0.1".into(),
        some => format!("−{}", tenths(i64::from(some))),
    }
}
