//! Bad news: in which respects one result is worse than another, and whether an earlier look saw
//! the same.

use super::{ABUSABLE, Observed};
use crate::report::{Badge, Class, FindingVerdict, GradeLetter};

/// One respect in which a result is worse than the published one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum News {
    /// A new failure of severity critical or high, or one that can be abused: check and reason.
    Fail(String, String),
    /// A lower cap.
    Cap(String),
    /// A lower letter, or a first one that is low.
    Letter(GradeLetter),
    /// No letter any more.
    Badge(Badge),
    /// Another class.
    Class(Class),
}

/// D, E or F.
pub(super) fn low(letter: Option<GradeLetter>) -> bool {
    letter.is_some_and(|letter| letter >= GradeLetter::D)
}

/// Lower caps are larger.
fn cap_rank(cap: Option<&String>) -> u8 {
    match cap.map(|cap| GradeLetter::parse(cap)) {
        None => 0,
        Some(None) => 1, // A without plus
        Some(Some(letter)) => 2 + letter as u8,
    }
}

fn nothing_reached(class: Class) -> bool {
    matches!(class, Class::Unreachable | Class::Blocked)
}

/// Failures of a result that would be bad news to somebody who knows nothing of the server.
pub(super) fn failures(of: &Observed) -> impl Iterator<Item = (&String, &super::Answer)> {
    of.answers.iter().filter(|(check, answer)| {
        answer.verdict == FindingVerdict::Fail
            && (answer.grave() || ABUSABLE.contains(&check.as_str()))
    })
}

/// What is worse in `after` than in `before`. A server that comes back from silence has no class
/// to lose.
#[must_use]
pub fn bad_news(before: &Observed, after: &Observed) -> Vec<News> {
    let mut news: Vec<News> = failures(after)
        .filter(|(check, _)| {
            before.answers.get(*check).is_none_or(|known| {
                let counted = known.grave() || ABUSABLE.contains(&check.as_str());
                known.verdict != FindingVerdict::Fail || !counted
            })
        })
        .map(|(check, answer)| News::Fail(check.clone(), answer.reason.clone()))
        .collect();
    if let (Some(_), Some(cap)) = (before.letter, &after.cap)
        && cap_rank(after.cap.as_ref()) > cap_rank(before.cap.as_ref())
    {
        news.push(News::Cap(cap.clone()));
    }
    match (before.letter, after.letter) {
        (Some(old), Some(new)) if new > old => news.push(News::Letter(new)),
        (None, Some(new)) if low(Some(new)) => news.push(News::Letter(new)),
        _ => (),
    }
    if let Some(badge @ (Badge::U | Badge::X | Badge::N)) = after.badge
        && before.letter.is_some()
    {
        news.push(News::Badge(badge));
    }
    if before.class != after.class && !nothing_reached(before.class) {
        news.push(News::Class(after.class));
    }
    news
}

impl News {
    /// Whether a look saw this too: the same check, verdict and reason; a letter or cap that was
    /// at least as low.
    pub(super) fn seen_in(&self, look: &Observed) -> bool {
        match self {
            Self::Fail(check, reason) => look.seen(check).is_some_and(|answer| {
                answer.verdict == FindingVerdict::Fail && answer.reason == *reason
            }),
            Self::Cap(cap) => cap_rank(look.cap.as_ref()) >= cap_rank(Some(cap)),
            Self::Letter(letter) => look.seen_letter() >= Some(*letter),
            Self::Badge(badge) => look.badge == Some(*badge),
            Self::Class(class) => look.class == *class,
        }
    }
}
