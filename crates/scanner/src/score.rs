//! The arithmetic of a grade: exact, in whole numbers, without floating point until the last
//! line (product rules of section 6.1).
//!
//! With S the sum of the shares of the categories that count, W the weight of a category and
//! credit c of a check with weight w: loss = 1000 · s/S · w · (1 − c) / W tenths of a point.

use crate::report::FindingVerdict;

/// One check's part in the score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Position of the category, 0 to 5.
    pub category: usize,
    /// Weight; parts of weight 0 do not count.
    pub weight: u64,
    /// Twice the credit: 2, 1 or 0.
    pub credit2: u64,
}

impl Part {
    /// The part of a conclusive verdict.
    #[must_use]
    pub fn of(category: usize, weight: u64, verdict: FindingVerdict) -> Self {
        let credit2 = match verdict {
            FindingVerdict::Pass => 2,
            FindingVerdict::Warn => 1,
            FindingVerdict::Fail | FindingVerdict::Na | FindingVerdict::Inconclusive => 0,
        };
        Self {
            category,
            weight,
            credit2,
        }
    }
}

/// The result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Score {
    /// Tenths of a point, 0 to 1000, rounded half up.
    pub tenths: i64,
    /// Tenths lost by each part, in the order given; they add up to 1000 − `tenths`.
    pub ledger: Vec<u32>,
    /// Whether a part lost anything at all, even less than a rounded tenth.
    pub loses: Vec<bool>,
    /// Score of each category in tenths, if anything in it counted.
    pub categories: [Option<i64>; 6],
}

/// Scores parts over six categories with these shares. `None` if nothing counts.
#[must_use]
pub fn score(parts: &[Part], shares: [u32; 6]) -> Option<Score> {
    let mut weights = [0i128; 6];
    let mut credits2 = [0i128; 6];
    for part in parts {
        weights[part.category] += i128::from(part.weight);
        credits2[part.category] += i128::from(part.weight * part.credit2);
    }
    let counted = |k: usize| weights[k] > 0;
    let total_share: i128 = (0..6)
        .filter(|k| counted(*k))
        .map(|k| i128::from(shares[k]))
        .sum();
    if total_share == 0 {
        return None;
    }
    let product: i128 = (0..6).filter(|k| counted(*k)).map(|k| weights[k]).product();
    let denominator = 2 * total_share * product;
    // product / weights[k] is whole: weights[k] is one of its factors.
    let numerators: Vec<i128> = parts
        .iter()
        .map(|part| {
            let k = part.category;
            if part.weight == 0 {
                return 0;
            }
            1000 * i128::from(shares[k])
                * i128::from(part.weight * (2 - part.credit2))
                * (product / weights[k])
        })
        .collect();
    let lost: i128 = numerators.iter().sum();
    let tenths = ((1000 * denominator - lost) * 2 + denominator).div_euclid(2 * denominator);

    let mut ledger: Vec<i128> = numerators.iter().map(|n| n / denominator).collect();
    let mut missing = 1000 - tenths - ledger.iter().sum::<i128>();
    let mut by_remainder: Vec<usize> = (0..parts.len()).collect();
    // Stable: ties stay in catalogue order.
    by_remainder.sort_by_key(|i| std::cmp::Reverse(numerators[*i] % denominator));
    for i in by_remainder {
        if missing <= 0 {
            break;
        }
        ledger[i] += 1;
        missing -= 1;
    }
    let categories = std::array::from_fn(|k| {
        counted(k).then(|| {
            let value = (1000 * credits2[k] + weights[k]).div_euclid(2 * weights[k]);
            i64::try_from(value).unwrap_or(1000)
        })
    });
    Some(Score {
        tenths: i64::try_from(tenths).unwrap_or(0),
        ledger: ledger
            .iter()
            .map(|n| u32::try_from(*n).unwrap_or(0))
            .collect(),
        loses: numerators.iter().map(|n| *n > 0).collect(),
        categories,
    })
}

/// Tenths as the decimal number of the report.
#[must_use]
pub fn decimal(tenths: i64) -> f64 {
    // Every number of tenths below 2^53 is exact enough to print with one decimal.
    #[expect(clippy::cast_precision_loss, reason = "0 to 1000")]
    let value = tenths as f64;
    value / 10.0
}

#[cfg(test)]
mod tests {
    use super::{Part, score};
    use proptest::prelude::*;

    const SHARES: [u32; 6] = [30, 30, 15, 10, 10, 5];

    #[test]
    fn nothing_counts_as_no_score() {
        assert_eq!(score(&[], SHARES), None);
        let unweighted = Part {
            category: 0,
            weight: 0,
            credit2: 0,
        };
        assert_eq!(score(&[unweighted], SHARES), None);
    }

    #[test]
    fn all_passed_is_a_hundred() {
        let parts = [
            Part {
                category: 0,
                weight: 50,
                credit2: 2,
            },
            Part {
                category: 5,
                weight: 6,
                credit2: 2,
            },
        ];
        let score = score(&parts, SHARES).expect("a score");
        assert_eq!(score.tenths, 1000);
        assert_eq!(score.ledger, [0, 0]);
    }

    proptest! {
        #[test]
        fn ledger_adds_up(raw in prop::collection::vec((0usize..6, 0u64..=100, 0u64..=2), 1..90)) {
            let parts: Vec<Part> = raw.into_iter()
                .map(|(category, weight, credit2)| Part { category, weight, credit2 })
                .collect();
            if let Some(score) = score(&parts, SHARES) {
                let sum: i64 = score.ledger.iter().map(|n| i64::from(*n)).sum();
                prop_assert_eq!(sum, 1000 - score.tenths);
                prop_assert!((0..=1000).contains(&score.tenths));
                for (tenths, loses) in score.ledger.iter().zip(&score.loses) {
                    prop_assert!(*tenths == 0 || *loses);
                }
            }
        }

        #[test]
        fn better_verdicts_never_lower_the_score(
            raw in prop::collection::vec((0usize..6, 1u64..=100, 0u64..=2), 1..60),
            pick in any::<prop::sample::Index>(),
        ) {
            let parts: Vec<Part> = raw.into_iter()
                .map(|(category, weight, credit2)| Part { category, weight, credit2 })
                .collect();
            let mut better = parts.clone();
            let i = pick.index(better.len());
            better[i].credit2 = 2;
            let (Some(a), Some(b)) = (score(&parts, SHARES), score(&better, SHARES)) else {
                return Err(TestCaseError::fail("weights are positive"));
            };
            prop_assert!(b.tenths >= a.tenths);
        }
    }
}
