//! What everybody who asks the same hosts agrees on: who is at a host, when it may be asked
//! again, how much an operator was asked today, and which hosts are to be left alone.
//!
//! The rules are pure functions over a [`HostBook`], the page of one host. [`Alone`] keeps the
//! pages of one process in memory; a database keeps those of many. Nothing here waits.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

use crate::time::Millis;

/// A future of a ledger.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

/// After a 429 a host is asked half as often for so long (product section 10.2).
pub const SLOW_FOR: i64 = 7 * DAY;
/// Visits in a row that met nothing but faults, after which a host is left alone.
pub const FAULTS: u32 = 3;
/// Faults nearer to each other than this are one.
pub const FAULT_GAP: i64 = MINUTE;
/// The first pause of a host that keeps failing; each further fault doubles it.
pub const FIRST_PAUSE: i64 = 5 * MINUTE;
/// The longest pause.
pub const LONGEST_PAUSE: i64 = DAY;

/// What a host is asked as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The host of the scanned endpoint.
    Endpoint,
    /// A host that an authorization chain names.
    AuthorizationServer,
    /// Anything else: a registry, an issuer's certificate.
    Other,
}

/// A wish to ask a host once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The host, in lower case, without port and brackets.
    pub host: String,
    /// Its operator: the registrable domain, or the host itself.
    pub operator: String,
    /// What it is asked as.
    pub role: Role,
    /// Hosts of one operator that may be held at a time; `None` for any number.
    pub places: Option<u32>,
    /// Requests to all hosts of the operator on a UTC day.
    pub operator_per_day: Option<u32>,
    /// Requests to this host as an authorization server on a UTC day.
    pub as_per_day: Option<u32>,
    /// For how long the host is held if nobody settles, in milliseconds.
    pub hold_ms: i64,
}

/// The answer to a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimed {
    /// The host is held for the claimant.
    Granted {
        /// Not to be asked before.
        from: Millis,
        /// It answered 429 within the last week: the interval is doubled.
        slow: bool,
    },
    /// Somebody else is there, or at too many hosts of the operator.
    Busy {
        /// When to try again.
        again: Millis,
    },
    /// It is to be left alone.
    Refused {
        /// Until when.
        until: Millis,
        /// Why.
        why: Refusal,
    },
}

/// Why a host is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Its `Retry-After`.
    RetryAfter,
    /// It kept failing.
    Faults,
    /// It, or its operator, was asked enough today.
    Budget,
    /// A person said stop.
    Stopped,
}

/// What came of a request, or of a visit of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The host that was claimed.
    pub host: String,
    /// Its operator.
    pub operator: String,
    /// What it was asked as.
    pub role: Role,
    /// Requests sent.
    pub sent: u32,
    /// When this was.
    pub at: Millis,
    /// When the host may be asked again.
    pub next_at: Millis,
    /// `Retry-After`.
    pub closed_until: Option<Millis>,
    /// It answered 429.
    pub limited: bool,
    /// False for a network failure or a 5xx; `None` if that is not known.
    pub good: Option<bool>,
}

/// Where all askers of the same hosts agree.
pub trait Ledger: Send + Sync {
    /// Claims a host for one request. Never waits for a host; a busy one is answered as busy.
    fn claim<'a>(&'a self, claim: &'a Claim, now: Millis) -> Later<'a, Claimed>;

    /// Gives a claimed host back.
    fn settle(&self, settlement: Settlement) -> Later<'_, ()>;

    /// Takes `n` consecutive places in the line that everybody keeps under `name`, `spacing_ms`
    /// apart, and says when the first of them is.
    fn places<'a>(
        &'a self,
        name: &'a str,
        spacing_ms: i64,
        n: u32,
        now: Millis,
    ) -> Later<'a, Millis>;

    /// Whether others use this ledger, too.
    fn is_shared(&self) -> bool;
}

/// The page of one host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HostBook {
    /// Who holds it, while [`HostBook::held_until`] is ahead.
    pub holder: i64,
    /// End of the hold.
    pub held_until: i64,
    /// When it may be asked again.
    pub next_at: i64,
    /// End of its `Retry-After`.
    pub closed_until: i64,
    /// Until when it is asked half as often.
    pub slow_until: i64,
    /// Visits in a row that met nothing but faults.
    pub faults: i64,
    /// When the last of them was counted.
    pub fault_at: i64,
    /// End of the pause that the faults caused.
    pub open_until: i64,
    /// UTC day of [`HostBook::asked`], in days since 1970.
    pub day: i64,
    /// Requests to it as an authorization server on that day.
    pub asked: i64,
}

/// The UTC day of an instant, in days since 1970.
#[must_use]
pub fn day_of(at: Millis) -> i64 {
    at.0.div_euclid(DAY)
}

/// When the next UTC day begins.
#[must_use]
pub fn tomorrow(at: Millis) -> Millis {
    Millis((day_of(at) + 1) * DAY)
}

/// The pause after so many faults in a row; none below [`FAULTS`].
#[must_use]
pub fn pause(faults: i64) -> i64 {
    let over = faults - i64::from(FAULTS);
    if over < 0 {
        return 0;
    }
    let doublings = u32::try_from(over.min(20)).unwrap_or(20);
    (FIRST_PAUSE << doublings).min(LONGEST_PAUSE)
}

impl HostBook {
    /// Whether the host is to be left alone, whoever asks.
    #[must_use]
    pub fn refusal(&self, now: Millis) -> Option<(Millis, Refusal)> {
        if self.closed_until > now.0 {
            return Some((Millis(self.closed_until), Refusal::RetryAfter));
        }
        // Afterwards whoever comes first is the probe: a host is held by one at a time.
        (self.open_until > now.0).then_some((Millis(self.open_until), Refusal::Faults))
    }

    /// Decides a claim of `holder` and writes a grant down. `others` counts the operator's
    /// other hosts that are held, and `operator_asked` what its hosts were asked today.
    pub fn claim(
        &mut self,
        claim: &Claim,
        holder: i64,
        now: Millis,
        others: u32,
        operator_asked: i64,
    ) -> Claimed {
        if let Some((until, why)) = self.refusal(now) {
            return Claimed::Refused { until, why };
        }
        let asked = if self.day == day_of(now) {
            self.asked
        } else {
            0
        };
        let spent = |most: Option<u32>, asked: i64| most.is_some_and(|most| asked >= most.into());
        if spent(claim.operator_per_day, operator_asked)
            || (claim.role == Role::AuthorizationServer && spent(claim.as_per_day, asked))
        {
            return Claimed::Refused {
                until: tomorrow(now),
                why: Refusal::Budget,
            };
        }
        if self.held_until > now.0 && self.holder != holder {
            let again = Millis(self.held_until.min(now.0 + 1_000));
            return Claimed::Busy { again };
        }
        if claim.places.is_some_and(|places| others >= places.max(1)) {
            let again = now.plus(200);
            return Claimed::Busy { again };
        }
        self.holder = holder;
        self.held_until = self.held_until.max(now.0 + claim.hold_ms);
        if claim.role == Role::AuthorizationServer {
            self.day = day_of(now);
            self.asked = asked + 1;
        }
        Claimed::Granted {
            from: Millis(self.next_at),
            slow: self.slow_until > now.0,
        }
    }

    /// Writes down what came of a claim; the host is free again.
    pub fn settle(&mut self, settlement: &Settlement) {
        let at = settlement.at;
        self.held_until = 0;
        self.next_at = self.next_at.max(settlement.next_at.0);
        if let Some(until) = settlement.closed_until {
            self.closed_until = self.closed_until.max(until.0);
        }
        if settlement.limited {
            self.slow_until = at.0 + SLOW_FOR;
        }
        match settlement.good {
            Some(true) => {
                self.faults = 0;
                self.open_until = 0;
            }
            Some(false) if self.faults == 0 || at.0 - self.fault_at >= FAULT_GAP => {
                self.faults += 1;
                self.fault_at = at.0;
                let pause = pause(self.faults);
                if pause > 0 {
                    self.open_until = at.0 + pause;
                }
            }
            Some(false) | None => (),
        }
    }
}

/// The ledger of a process that shares its hosts with nobody.
#[derive(Debug, Default)]
pub struct Alone {
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    hosts: HashMap<String, (String, HostBook)>,
    operators: HashMap<String, (i64, i64)>,
    lines: HashMap<String, i64>,
}

/// Pages after which those that say nothing any more are torn out.
const MANY: usize = 4_096;

impl Pages {
    fn tidy(&mut self, now: Millis) {
        if self.hosts.len() > MANY {
            self.hosts.retain(|_, (_, book)| {
                book.faults > 0
                    || book.asked > 0 && book.day == day_of(now)
                    || [
                        book.held_until,
                        book.next_at,
                        book.closed_until,
                        book.slow_until,
                    ]
                    .iter()
                    .any(|until| *until > now.0)
            });
            let today = day_of(now);
            self.operators.retain(|_, (day, _)| *day == today);
        }
        if self.lines.len() > MANY {
            self.lines.retain(|_, next| *next > now.0);
        }
    }

    fn asked(&self, operator: &str, now: Millis) -> i64 {
        match self.operators.get(operator) {
            Some((day, asked)) if *day == day_of(now) => *asked,
            _ => 0,
        }
    }
}

impl Ledger for Alone {
    fn claim<'a>(&'a self, claim: &'a Claim, now: Millis) -> Later<'a, Claimed> {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        pages.tidy(now);
        let others = match claim.places {
            None => 0,
            Some(_) => pages
                .hosts
                .iter()
                .filter(|(host, (operator, book))| {
                    **host != claim.host && *operator == claim.operator && book.held_until > now.0
                })
                .count(),
        };
        let others = u32::try_from(others).unwrap_or(u32::MAX);
        let asked = pages.asked(&claim.operator, now);
        let (_, book) = pages
            .hosts
            .entry(claim.host.clone())
            .or_insert_with(|| (claim.operator.clone(), HostBook::default()));
        let claimed = book.claim(claim, 1, now, others, asked);
        if matches!(claimed, Claimed::Granted { .. }) {
            let day = day_of(now);
            pages
                .operators
                .insert(claim.operator.clone(), (day, asked + 1));
        }
        Box::pin(std::future::ready(claimed))
    }

    fn settle(&self, settlement: Settlement) -> Later<'_, ()> {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, book)) = pages.hosts.get_mut(&settlement.host) {
            book.settle(&settlement);
        }
        Box::pin(std::future::ready(()))
    }

    fn places<'a>(
        &'a self,
        name: &'a str,
        spacing_ms: i64,
        n: u32,
        now: Millis,
    ) -> Later<'a, Millis> {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        pages.tidy(now);
        let next = pages.lines.entry(name.to_owned()).or_insert(now.0);
        let first = (*next).max(now.0);
        *next = first + spacing_ms * i64::from(n);
        Box::pin(std::future::ready(Millis(first)))
    }

    fn is_shared(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Claim, Claimed, DAY, FAULT_GAP, FIRST_PAUSE, HostBook, LONGEST_PAUSE, MINUTE, Refusal,
        Role, SLOW_FOR, Settlement, day_of, pause, tomorrow,
    };
    use crate::time::Millis;

    const NOW: Millis = Millis(1_795_144_327_000);

    fn claim() -> Claim {
        Claim {
            host: "a.example.com".into(),
            operator: "example.com".into(),
            role: Role::AuthorizationServer,
            places: Some(2),
            operator_per_day: Some(2_000),
            as_per_day: Some(500),
            hold_ms: 120_000,
        }
    }

    fn settled(at: Millis, good: Option<bool>) -> Settlement {
        Settlement {
            host: "a.example.com".into(),
            operator: "example.com".into(),
            role: Role::AuthorizationServer,
            sent: 1,
            at,
            next_at: at.plus(1_000),
            closed_until: None,
            limited: false,
            good,
        }
    }

    fn granted(claimed: Claimed) -> bool {
        matches!(claimed, Claimed::Granted { .. })
    }

    #[test]
    fn a_host_is_held_by_one_and_a_dead_hold_ends() {
        let mut book = HostBook::default();
        assert!(granted(book.claim(&claim(), 1, NOW, 0, 0)));
        assert!(granted(book.claim(&claim(), 1, NOW, 0, 0)), "its own");
        let other = book.claim(&claim(), 2, NOW.plus(119_999), 0, 0);
        assert!(matches!(other, Claimed::Busy { .. }));
        assert!(granted(book.claim(&claim(), 2, NOW.plus(120_000), 0, 0)));
        book.settle(&settled(NOW, Some(true)));
        let next = book.claim(&claim(), 1, NOW, 0, 0);
        let from = NOW.plus(1_000);
        assert_eq!(next, Claimed::Granted { from, slow: false });
    }

    #[test]
    fn an_operator_has_two_hosts_at_a_time_and_two_thousand_requests_a_day() {
        let mut book = HostBook::default();
        let third = book.claim(&claim(), 1, NOW, 2, 0);
        assert!(matches!(third, Claimed::Busy { .. }));
        assert!(granted(book.claim(&claim(), 1, NOW, 1, 1_999)));
        assert_eq!(
            book.claim(&claim(), 1, NOW, 0, 2_000),
            Claimed::Refused {
                until: tomorrow(NOW),
                why: Refusal::Budget
            }
        );
    }

    #[test]
    fn an_authorization_server_is_asked_five_hundred_times_a_day() {
        let mut book = HostBook::default();
        for n in 0..500 {
            assert!(granted(book.claim(&claim(), 1, NOW, 0, 0)), "{n}");
        }
        let more = book.claim(&claim(), 1, NOW, 0, 0);
        assert!(matches!(
            more,
            Claimed::Refused {
                why: Refusal::Budget,
                ..
            }
        ));
        let endpoint = Claim {
            role: Role::Endpoint,
            ..claim()
        };
        assert!(granted(book.claim(&endpoint, 1, NOW, 0, 0)));
        let midnight = tomorrow(NOW);
        assert!(granted(book.claim(&claim(), 1, midnight, 0, 0)));
        assert_eq!((book.day, book.asked), (day_of(midnight), 1));
    }

    #[test]
    fn retry_after_closes_and_a_429_halves_for_a_week() {
        let mut book = HostBook::default();
        book.settle(&Settlement {
            closed_until: Some(NOW.plus(3 * DAY)),
            limited: true,
            ..settled(NOW, Some(true))
        });
        let soon = book.claim(&claim(), 1, NOW.plus(3 * DAY - 1), 0, 0);
        assert!(matches!(
            soon,
            Claimed::Refused {
                why: Refusal::RetryAfter,
                ..
            }
        ));
        for (after, slow) in [(3 * DAY, true), (SLOW_FOR - 1, true), (SLOW_FOR, false)] {
            let again = book.claim(&claim(), 1, NOW.plus(after), 0, 0);
            let Claimed::Granted { slow: is, .. } = again else {
                panic!("{again:?}")
            };
            assert_eq!(is, slow, "{after}");
        }
    }

    #[test]
    fn a_host_that_keeps_failing_is_left_alone_for_growing_pauses() {
        let mut book = HostBook::default();
        let mut now = NOW;
        for _ in 0..2 {
            // A scan's repetitions are one fault.
            for repetition in 0..3 {
                book.settle(&settled(now.plus(repetition * 15_000), Some(false)));
            }
            now = now.plus(7 * DAY);
            assert!(book.refusal(now).is_none());
        }
        let mut pauses = Vec::new();
        for _ in 0..12 {
            book.settle(&settled(now, Some(false)));
            let (until, why) = book.refusal(now).expect("it is closed");
            assert_eq!(why, Refusal::Faults);
            pauses.push(until.since(now));
            // Half open: the first who comes may try, nobody else meanwhile.
            now = until;
            assert!(granted(book.claim(&claim(), 1, now, 0, 0)));
            let second = book.claim(&claim(), 2, now, 0, 0);
            assert!(matches!(second, Claimed::Busy { .. }));
        }
        assert_eq!(pauses[..3], [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]);
        assert_eq!(pauses.last(), Some(&LONGEST_PAUSE));
        book.settle(&settled(now, Some(true)));
        assert_eq!((book.faults, book.refusal(now)), (0, None));
        assert_eq!(pause(2), 0);
        assert_eq!(FAULT_GAP, MINUTE);
    }
}
