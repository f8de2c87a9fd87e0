//! The decision: shown, held, or masked.

use super::news::{News, bad_news, failures, low};
use super::{Known, Observed, Override, Overrides, Publication, Reason, Rules, Standing, Why};
use crate::report::{Class, FindingVerdict};
use crate::time::Millis;

/// Decides what is shown of a server after its newest result, seen at `now`, with the overrides
/// of [`super::adjust`] applied to it. If the answer has further overrides, the result is to be
/// graded with them before it is shown.
#[must_use]
pub fn settle(known: &Known<'_>, newest: &Observed, now: Millis, rules: &Rules) -> Publication {
    if !rules.hold {
        // What stricter rules held is shown with it.
        let held = known.looks.iter().enumerate();
        return Publication {
            earlier: held
                .filter(|(_, look)| look.standing == Standing::Held)
                .map(|(position, _)| (position, Standing::Published))
                .collect(),
            ..Publication::plain()
        };
    }
    let plain = Publication {
        overrides: newest.overrides.clone(),
        withheld: newest.abusable().map(str::to_owned).collect(),
        ..Publication::plain()
    };
    let case = Case {
        known,
        newest,
        now,
        rules,
        open: known
            .looks
            .iter()
            .enumerate()
            .filter(|(_, look)| look.standing == Standing::Held)
            .collect(),
        plain,
    };
    let published = known.published();
    if silent(newest.class) && published.is_none_or(|shown| shown.class != newest.class) {
        return case.nothing_reached();
    }
    match published {
        Some(shown) => case.after(shown),
        None => case.first(),
    }
}

fn silent(class: Class) -> bool {
    matches!(class, Class::Unreachable | Class::Blocked)
}

/// A newest result with what was waiting for it.
struct Case<'a> {
    known: &'a Known<'a>,
    newest: &'a Observed,
    now: Millis,
    rules: &'a Rules,
    open: Vec<(usize, &'a Observed)>,
    plain: Publication,
}

impl Case<'_> {
    /// Unreachable needs failures over days, blocked needs several scans: once proves nothing.
    fn nothing_reached(&self) -> Publication {
        let same: Vec<&Observed> = self
            .known
            .looks
            .iter()
            .rev()
            .take_while(|look| look.class == self.newest.class && look.standing == Standing::Held)
            .collect();
        let first = same.last().map_or(self.now, |look| look.first_at);
        let scans = same.iter().map(|look| look.scans).sum::<u32>() + 1;
        let (enough, until) = if self.newest.class == Class::Unreachable {
            let until = first.plus(self.rules.unreachable_ms);
            (self.now >= until, until)
        } else {
            let until = self.now.plus(self.rules.unreachable_ms);
            (scans >= self.rules.blocked_scans, until)
        };
        if enough && !self.rules.frozen {
            return self.publish(Some(self.now), &[]);
        }
        // When to ask again is for the schedule to say: nobody is asked hourly who says nothing.
        Publication {
            again: None,
            ..self.hold(Reason::Confirming, until, None)
        }
    }

    /// Nothing of the server is shown yet.
    fn first(&self) -> Publication {
        let news: Vec<News> = failures(self.newest)
            .map(|(check, answer)| News::Fail(check.clone(), answer.reason.clone()))
            .chain(
                self.newest
                    .letter
                    .filter(|letter| low(Some(*letter)))
                    .map(News::Letter),
            )
            .collect();
        if news.is_empty() || self.confirmed(&news, None) {
            return self.notice(None, &news);
        }
        if self.rules.frozen || self.newest.abusable().next().is_some() {
            return self.confirming();
        }
        let mut publication = self.publish(None, &[]);
        publication.reason = Some(Reason::Confirming);
        publication.again = Some(self.now.plus(self.rules.confirm_after(self.known.server)));
        publication.overrides = self.masked();
        publication
    }

    /// The newest result without what was seen once only.
    fn masked(&self) -> Overrides {
        let mut overrides = self.newest.overrides.clone();
        for (check, answer) in failures(self.newest) {
            let seen = self.newest.seen(check).unwrap_or(answer).clone();
            overrides.checks.retain(|one| one.check != *check);
            overrides.checks.push(Override {
                check: check.clone(),
                why: Why::Unconfirmed,
                seen,
                stands: None,
            });
        }
        overrides.checks.sort_by(|a, b| a.check.cmp(&b.check));
        overrides.letter = self.newest.letter;
        overrides
    }

    /// Something of the server is shown.
    fn after(&self, shown: &Observed) -> Publication {
        let news = bad_news(shown, self.newest);
        let third = self
            .open
            .iter()
            .map(|(_, look)| look.first_at)
            .min()
            .map(|first| first.plus(self.rules.third_look_ms));
        if news.is_empty() {
            let mut publication = self.notice(Some(shown), &news);
            // Contested: the third look decides.
            if let Some(third) = third.filter(|third| self.now < *third)
                && publication.standing == Standing::Published
            {
                publication.earlier.clear();
                publication.again = Some(third);
            }
            return publication;
        }
        let contested = self.open.iter().any(|(_, look)| {
            let later = shown.first_at > look.first_at;
            later || !news.iter().all(|one| one.seen_in(look))
        });
        let early = third.is_some_and(|third| contested && self.now < third);
        if !early && self.confirmed(&news, Some(shown)) {
            return self.notice(Some(shown), &news);
        }
        if contested && !early {
            // Three looks, three answers: the newest is a first sight of its own. Looks that saw
            // a part of it go on waiting, or the clock of a confirmed one would start anew.
            let mut publication = self.confirming();
            publication.earlier = self
                .open
                .iter()
                .filter(|(_, look)| !news.iter().any(|one| one.seen_in(look)))
                .map(|(position, look)| (*position, outvoted(look)))
                .collect();
            publication.until = Some(self.now.plus(self.rules.third_look_ms));
            publication.again = Some(self.now.plus(self.rules.confirm_after(self.known.server)));
            return publication;
        }
        let mut publication = self.confirming();
        if early {
            publication.again = third;
        }
        publication
    }

    /// Whether everything was seen in an earlier look that waits, or that was masked, long enough
    /// ago and by the same questions.
    fn confirmed(&self, news: &[News], shown: Option<&Observed>) -> bool {
        let gap = self.rules.confirm_after(self.known.server);
        let masked = shown.filter(|shown| !shown.overrides.is_empty());
        news.iter().all(|one| {
            self.open
                .iter()
                .map(|(_, look)| *look)
                .chain(masked)
                .any(|look| {
                    look.plan == self.newest.plan
                        && self.now.since(look.first_at) >= gap
                        && one.seen_in(look)
                })
        })
    }

    /// What was confirmed, or is no bad news, is shown unless its operator has to know first.
    fn notice(&self, shown: Option<&Observed>, news: &[News]) -> Publication {
        let earlier = self
            .open
            .iter()
            .filter(|(_, look)| news.iter().any(|one| one.seen_in(look)))
            .filter_map(|(_, look)| look.confirmed_at)
            .min();
        let confirmed_at = if news.is_empty() {
            shown.and_then(|shown| shown.confirmed_at)
        } else {
            Some(earlier.unwrap_or(self.now))
        };
        let from = confirmed_at.unwrap_or(self.now);
        let known_fail = |check: &str| {
            shown.is_some_and(|shown| {
                let answer = shown.answers.get(check);
                answer.is_some_and(|answer| answer.verdict == FindingVerdict::Fail)
            })
        };
        let mut until = self.now;
        if self.newest.abusable().any(|check| !known_fail(check)) {
            until = until.max(from.plus(self.rules.abusable_ms));
        }
        if low(self.newest.letter) && !self.known.published_low {
            until = until.max(from.plus(self.rules.first_low_ms));
        }
        if until > self.now {
            let mut publication = self.hold(Reason::Notified, until, confirmed_at);
            publication.again = Some(until);
            return publication;
        }
        if self.rules.frozen && shown.is_none_or(|shown| differs(shown, self.newest)) {
            return self.confirming();
        }
        self.publish(confirmed_at, news)
    }

    /// Shown. Looks that waited and saw one of the same things were right.
    fn publish(&self, confirmed_at: Option<Millis>, news: &[News]) -> Publication {
        let earlier = self.open.iter().map(|(position, look)| {
            let right = look.class == self.newest.class
                && (news.iter().any(|one| one.seen_in(look)) || silent(look.class));
            let standing = if right {
                Standing::Published
            } else {
                outvoted(look)
            };
            (*position, standing)
        });
        Publication {
            confirmed_at,
            earlier: earlier.collect(),
            ..self.plain.clone()
        }
    }

    fn confirming(&self) -> Publication {
        let first = self.open.iter().map(|(_, look)| look.first_at).min();
        let first = first.unwrap_or(self.now);
        let gap = self.rules.confirm_after(self.known.server);
        let reason = if self.rules.frozen {
            Reason::Frozen
        } else {
            Reason::Confirming
        };
        let until = first.plus(self.rules.third_look_ms).max(self.now.plus(gap));
        let mut publication = self.hold(reason, until, None);
        // Looking again helps nothing while everything stands still.
        publication.again = (!self.rules.frozen).then(|| {
            let soon = first.plus(gap);
            if soon > self.now {
                soon
            } else {
                self.now.plus(gap)
            }
        });
        publication
    }

    fn hold(&self, reason: Reason, until: Millis, confirmed_at: Option<Millis>) -> Publication {
        Publication {
            standing: Standing::Held,
            reason: Some(reason),
            until: Some(until),
            confirmed_at,
            ..self.plain.clone()
        }
    }
}

/// What becomes of a look that waited in vain.
fn outvoted(look: &Observed) -> Standing {
    if look.confirmed_at.is_some() {
        Standing::Withdrawn
    } else {
        Standing::NotReproduced
    }
}

/// Whether anything that is judged differs.
fn differs(a: &Observed, b: &Observed) -> bool {
    a.class != b.class || a.letter != b.letter || a.badge != b.badge || a.answers != b.answers
}
