//! What earlier scans say about the newest: answers that change with every scan mean nothing,
//! and an answer that could not be had once is not gone.

use std::collections::BTreeSet;

use super::{Answer, Known, Observed, Override, Overrides, Rules, Why};
use crate::report::FindingVerdict;

/// Scans that are looked at for flapping, the newest included.
const WINDOW: usize = 5;
/// So many different answers within the window mean nothing,
const DIFFERENT: usize = 3;
/// and so does one that is another in every scan of it. Fewer changes are for the second and the
/// third look to settle.
const CHANGES: usize = WINDOW - 1;
/// From the third inconclusive scan in a row on, the older answer is gone.
const CARRIED: usize = 2;

/// The overrides that the history of a server asks for: flapping and carried answers. `newest` is
/// as it was seen.
#[must_use]
pub fn adjust(known: &Known<'_>, newest: &Observed, rules: &Rules) -> Overrides {
    if !rules.hold {
        return Overrides::default();
    }
    let window = window(known.looks);
    let published = known
        .published()
        .filter(|published| published.class == newest.class);
    let checks = newest.answers.iter().filter_map(|(check, seen)| {
        let one = |why, stands| Override {
            check: check.clone(),
            why,
            seen: seen.clone(),
            stands,
        };
        if flaps(check, seen, &window) {
            return Some(one(Why::Flapping, None));
        }
        let stands = published.and_then(|published| published.answers.get(check))?;
        carried(check, seen, stands, &window).then(|| one(Why::Carried, Some(stands.clone())))
    });
    Overrides {
        checks: checks.collect(),
        letter: None,
    }
}

/// The scans before the newest, newest first: a stretch counts as often as it was seen.
fn window(looks: &[Observed]) -> Vec<&Observed> {
    looks
        .iter()
        .rev()
        .flat_map(|look| {
            let scans = usize::try_from(look.scans).unwrap_or(WINDOW);
            std::iter::repeat_n(look, scans.min(WINDOW))
        })
        .take(WINDOW - 1)
        .collect()
}

fn flaps(check: &str, newest: &Answer, window: &[&Observed]) -> bool {
    if !newest.verdict.conclusive() {
        return false;
    }
    let mut answers = vec![newest];
    answers.extend(
        window
            .iter()
            .filter_map(|look| look.seen(check))
            .filter(|answer| answer.verdict.conclusive()),
    );
    let changes = answers
        .windows(2)
        .filter(|pair| !pair[0].same(pair[1]))
        .count();
    let different: BTreeSet<(&str, &str)> = answers
        .iter()
        .map(|answer| (answer.verdict.as_str(), answer.reason.as_str()))
        .collect();
    changes >= CHANGES || different.len() >= DIFFERENT
}

fn carried(check: &str, newest: &Answer, stands: &Answer, window: &[&Observed]) -> bool {
    let unsure = |answer: &Answer| answer.verdict == FindingVerdict::Inconclusive;
    if !unsure(newest) || newest.reason == "not_captured" || unsure(stands) {
        return false;
    }
    let before = window
        .iter()
        .take_while(|look| look.seen(check).is_some_and(unsure))
        .count();
    before < CARRIED
}
