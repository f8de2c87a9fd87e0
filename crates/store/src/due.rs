//! When a server is due again: a pure function of its history. Nothing is random; a server is
//! seen at its own minute of the day, which its id decides.

use scanner::evidence::Evidence;
use scanner::report::{Class, Report};
use scanner::time::Millis;
use sha2::{Digest, Sha256};

/// The due time of a server that is not scanned any more until somebody asks for it.
pub const NEVER: Millis = Millis(i64::MAX);

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// After so long without a change a server is seen less often.
const SETTLED: i64 = 90 * DAY;
/// After so long without an answer a public instance stops asking.
const GONE: i64 = 90 * DAY;
/// Refusals in a row after which a public instance stops asking.
const UNWELCOME: u32 = 3;
/// Pauses after the first, second, third and every further scan that reached nothing.
const PUBLIC_RETRIES: [i64; 4] = [DAY, 3 * DAY, 7 * DAY, 28 * DAY];
const PRIVATE_RETRIES: [i64; 4] = [15 * MINUTE, HOUR, 6 * HOUR, DAY];

/// How a program scans: how often, how many at once, and by which judge.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// The slower table for servers of strangers.
    pub public: bool,
    /// Between two scans of a server that answers.
    pub interval_ms: i64,
    /// The same once nothing has changed for 90 days.
    pub settled_ms: i64,
    /// Scans at the same time.
    pub concurrency: u32,
    /// Length of a lease; it is renewed at half of it.
    pub lease_ms: i64,
    /// Longest pause between two looks for work.
    pub idle_ms: i64,
    /// Hosts of one operator at a time, over all workers; `None` for any number.
    pub operator_hosts: Option<u32>,
    /// Requests to all hosts of one operator on a UTC day; `None` for any number.
    pub operator_per_day: Option<u32>,
    /// When an announced rubric takes effect.
    pub rubric_date: Option<Millis>,
    /// Judges evidence under the rubric in force.
    pub grade: fn(&Evidence) -> Report,
}

impl Pace {
    /// The pace of an instance on the open internet.
    #[must_use]
    pub fn public(grade: fn(&Evidence) -> Report) -> Self {
        Self {
            public: true,
            interval_ms: 7 * DAY,
            settled_ms: 28 * DAY,
            ..Self::private(grade)
        }
    }

    /// The pace of an instance for one's own servers.
    #[must_use]
    pub fn private(grade: fn(&Evidence) -> Report) -> Self {
        Self {
            public: false,
            interval_ms: DAY,
            settled_ms: 7 * DAY,
            concurrency: 32,
            lease_ms: 10 * MINUTE,
            idle_ms: MINUTE / 2,
            operator_hosts: None,
            operator_per_day: None,
            rubric_date: None,
            grade,
        }
    }
}

/// What a due time is computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct History<'a> {
    /// Id of the server; decides its minute of the day.
    pub server: &'a str,
    /// When the scan ended.
    pub now: Millis,
    /// Class found; `None` if the scan came to nothing.
    pub class: Option<Class>,
    /// Scans in a row that got nowhere, this one included.
    pub failures: u32,
    /// When the first of them ended.
    pub failing_since: Option<Millis>,
    /// When something last changed, or the server was first scanned.
    pub changed_at: Option<Millis>,
    /// This scan saw something else than the one before.
    pub changed: bool,
    /// The server asked for fewer requests.
    pub rate_limited: bool,
    /// Scans in a row that were refused (403, a challenge page, 429), this one included.
    pub refusals: u32,
    /// End of its `Retry-After`.
    pub not_before: Option<Millis>,
    /// When its certificate ends, and when an announced rubric begins: it is seen a day before
    /// and a day after.
    pub dates: [Option<Millis>; 2],
}

/// When the server is due again; [`NEVER`] when a public instance gives up on it.
#[must_use]
pub fn next(history: &History<'_>, pace: &Pace) -> Millis {
    let due = by_result(history, pace);
    if due == NEVER {
        return due;
    }
    let seen = history
        .class
        .is_some_and(|class| class != Class::Unreachable);
    let due = if seen { near_dates(history, due) } else { due };
    match history.not_before {
        Some(open) if open > due => {
            let due = at_own_minute(history.server, open, DAY);
            if due.plus(-DAY) >= open {
                due.plus(-DAY)
            } else {
                due
            }
        }
        Some(_) | None => due,
    }
}

/// The nearest of the days before and after a date, if that comes first.
fn near_dates(history: &History<'_>, due: Millis) -> Millis {
    let days = history.dates.into_iter().flatten();
    days.flat_map(|date| [date.plus(-DAY), date.plus(DAY)])
        .map(|day| day.since(history.now))
        // What is nearer was seen a moment ago.
        .filter(|pause| *pause >= DAY)
        .map(|pause| at_own_minute(history.server, history.now, pause))
        .fold(due, Millis::min)
}

fn by_result(history: &History<'_>, pace: &Pace) -> Millis {
    let after = |pause: i64| at_own_minute(history.server, history.now, pause);
    if pace.public && history.refusals >= UNWELCOME {
        return NEVER;
    }
    match history.class {
        Some(Class::Unreachable) | None => retry(history, pace),
        Some(Class::Blocked) => after(if pace.public { 7 * DAY } else { DAY }),
        Some(_) if history.rate_limited && pace.public => {
            // Never earlier than a day, so not moved towards it.
            let soonest = history.now.plus(DAY);
            let due = after(2 * DAY);
            if due.plus(-DAY) >= soonest {
                due.plus(-DAY)
            } else {
                due
            }
        }
        Some(_) if history.rate_limited => history.now.plus(HOUR),
        Some(_) if history.changed && !pace.public => {
            history.now.plus(pace.interval_ms.min(6 * HOUR))
        }
        Some(_) => {
            let settled = history
                .changed_at
                .is_some_and(|at| history.now.since(at) >= SETTLED);
            after(if settled {
                pace.settled_ms
            } else {
                pace.interval_ms
            })
        }
    }
}

fn retry(history: &History<'_>, pace: &Pace) -> Millis {
    let gone = history
        .failing_since
        .is_some_and(|since| history.now.since(since) >= GONE);
    if pace.public && gone {
        return NEVER;
    }
    let pauses = if pace.public {
        PUBLIC_RETRIES
    } else {
        PRIVATE_RETRIES
    };
    let failures = usize::try_from(history.failures).unwrap_or(usize::MAX);
    let pause = pauses[failures.saturating_sub(1).min(pauses.len() - 1)];
    at_own_minute(history.server, history.now, pause)
}

/// The server's own minute of the day that is nearest to `now + pause`. Pauses below a day are
/// taken as they are.
fn at_own_minute(server: &str, now: Millis, pause: i64) -> Millis {
    let wanted = now.plus(pause);
    if pause < DAY {
        return wanted;
    }
    let own = own_minute(server) * MINUTE;
    let ahead = (own - wanted.0.rem_euclid(DAY)).rem_euclid(DAY);
    wanted.plus(if ahead > DAY / 2 { ahead - DAY } else { ahead })
}

/// The minute of the UTC day at which a server is seen, 0 to 1439.
#[must_use]
pub fn own_minute(server: &str) -> i64 {
    let digest = Sha256::digest(server.as_bytes());
    let number = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    i64::from(number % 1440)
}

#[cfg(test)]
mod tests {
    use scanner::evidence::Evidence;
    use scanner::report::{Class, Report};
    use scanner::time::Millis;

    use super::{DAY, HOUR, History, MINUTE, NEVER, Pace, next, own_minute};

    const NOW: Millis = Millis(1_795_144_327_000);

    fn judge(_: &Evidence) -> Report {
        unreachable!("due times need no judge")
    }

    fn fine() -> History<'static> {
        History {
            server: "srv_01",
            now: NOW,
            class: Some(Class::Oauth),
            failures: 0,
            failing_since: None,
            changed_at: Some(NOW.plus(-10 * DAY)),
            changed: false,
            rate_limited: false,
            refusals: 0,
            not_before: None,
            dates: [None; 2],
        }
    }

    fn down(failures: u32) -> History<'static> {
        History {
            class: Some(Class::Unreachable),
            failures,
            failing_since: Some(NOW.plus(-DAY)),
            ..fine()
        }
    }

    /// Days until the next scan, rounded: the own minute moves it by half a day at most.
    fn days(history: &History<'_>, pace: &Pace) -> i64 {
        let pause = next(history, pace).since(NOW);
        (pause + DAY / 2) / DAY
    }

    #[test]
    fn the_table_of_a_public_instance() {
        let pace = Pace::public(judge);
        let settled = History {
            changed_at: Some(NOW.plus(-90 * DAY)),
            ..fine()
        };
        let changed = History {
            changed: true,
            ..fine()
        };
        assert_eq!(days(&fine(), &pace), 7);
        assert_eq!(days(&settled, &pace), 28);
        assert_eq!(days(&changed, &pace), 7);
        assert_eq!(
            [1, 2, 3, 4, 9].map(|n| days(&down(n), &pace)),
            [1, 3, 7, 28, 28]
        );
        let gone = History {
            failing_since: Some(NOW.plus(-90 * DAY)),
            ..down(6)
        };
        assert_eq!(next(&gone, &pace), NEVER);
        let blocked = |refusals| History {
            class: Some(Class::Blocked),
            failures: 9,
            refusals,
            ..fine()
        };
        assert_eq!(days(&blocked(2), &pace), 7);
        assert_eq!(next(&blocked(3), &pace), NEVER);
    }

    #[test]
    fn the_table_of_a_private_instance() {
        let pace = Pace::private(judge);
        let settled = History {
            changed_at: Some(NOW.plus(-90 * DAY)),
            ..fine()
        };
        let changed = History {
            changed: true,
            ..fine()
        };
        assert_eq!(days(&fine(), &pace), 1);
        assert_eq!(days(&settled, &pace), 7);
        assert_eq!(next(&changed, &pace), NOW.plus(6 * HOUR));
        assert_eq!(next(&down(1), &pace), NOW.plus(15 * MINUTE));
        assert_eq!(next(&down(2), &pace), NOW.plus(HOUR));
        assert_eq!(next(&down(3), &pace), NOW.plus(6 * HOUR));
        let gone = History {
            failing_since: Some(NOW.plus(-900 * DAY)),
            ..down(60)
        };
        assert_eq!(days(&gone, &pace), 1, "one's own servers are never dropped");
    }

    #[test]
    fn a_server_that_asks_for_less_gets_a_day_at_least() {
        let pace = Pace::public(judge);
        for server in ["srv_a", "srv_b", "srv_c", "srv_d", "srv_e"] {
            let history = History {
                server,
                rate_limited: true,
                ..fine()
            };
            let pause = next(&history, &pace).since(NOW);
            assert!((DAY..=2 * DAY).contains(&pause), "{pause}");
        }
    }

    #[test]
    fn three_refusals_in_a_row_end_the_schedule_of_a_public_instance() {
        let limited = |refusals| History {
            rate_limited: true,
            refusals,
            ..fine()
        };
        let public = Pace::public(judge);
        assert_ne!(next(&limited(2), &public), NEVER);
        assert_eq!(next(&limited(3), &public), NEVER);
        assert_ne!(next(&limited(9), &Pace::private(judge)), NEVER);
    }

    #[test]
    fn retry_after_is_waited_for_to_the_end() {
        for pace in [Pace::public(judge), Pace::private(judge)] {
            let open = NOW.plus(21 * DAY + 12_345);
            let history = History {
                rate_limited: true,
                refusals: 1,
                not_before: Some(open),
                ..fine()
            };
            let due = next(&history, &pace);
            assert!(
                due >= open && due.since(open) <= 3 * DAY / 2,
                "{}",
                due.since(open)
            );
            assert_eq!(due.0.rem_euclid(DAY) / MINUTE, own_minute("srv_01"));
        }
    }

    #[test]
    fn a_server_is_seen_the_day_before_and_after_its_certificate_ends() {
        let pace = Pace::public(judge);
        let ends = NOW.plus(4 * DAY);
        let at = |now: Millis| {
            let history = History {
                now,
                dates: [Some(ends), None],
                ..fine()
            };
            next(&history, &pace)
        };
        let before = at(NOW);
        assert!((ends.plus(-DAY).since(before)).abs() <= DAY / 2);
        let after = at(before);
        assert!((ends.plus(DAY).since(after)).abs() <= DAY / 2);
        assert!(at(after).since(after) > 6 * DAY, "then as usual");
        let rubric = History {
            dates: [None, Some(ends)],
            ..fine()
        };
        assert_eq!(next(&rubric, &pace), before);
    }

    #[test]
    fn intervals_that_were_set_are_kept() {
        let pace = Pace {
            interval_ms: 3 * DAY,
            settled_ms: 14 * DAY,
            ..Pace::public(judge)
        };
        assert_eq!(days(&fine(), &pace), 3);
        let settled = History {
            changed_at: Some(NOW.plus(-100 * DAY)),
            ..fine()
        };
        assert_eq!(days(&settled, &pace), 14);
        let changed = History {
            changed: true,
            ..fine()
        };
        let often = Pace {
            interval_ms: HOUR,
            ..Pace::private(judge)
        };
        assert_eq!(next(&changed, &often), NOW.plus(HOUR));
    }

    #[test]
    fn a_server_is_always_seen_at_its_own_minute() {
        let pace = Pace::private(judge);
        for n in 0..100 {
            let server = format!("srv_{n}");
            let mut now = NOW.plus(n * 7_777_777);
            for _ in 0..56 {
                let history = History {
                    server: &server,
                    now,
                    ..fine()
                };
                let due = next(&history, &pace);
                assert!(due > now);
                assert_eq!(due.0.rem_euclid(DAY) / MINUTE, own_minute(&server));
                now = due.plus(40_000 + n * 100); // the scan takes its time
            }
            let weeks = now.since(NOW.plus(n * 7_777_777));
            assert!(
                (55 * DAY..=57 * DAY).contains(&weeks),
                "56 scans in 56 days"
            );
        }
    }
}
