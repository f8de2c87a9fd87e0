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
}

/// When the server is due again; [`NEVER`] when a public instance gives up on it.
#[must_use]
pub fn next(history: &History<'_>, pace: &Pace) -> Millis {
    let after = |pause: i64| at_own_minute(history.server, history.now, pause);
    match history.class {
        Some(Class::Unreachable) | None => retry(history, pace),
        Some(Class::Blocked) if pace.public && history.failures >= UNWELCOME => NEVER,
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
        let blocked = |failures| History {
            class: Some(Class::Blocked),
            failures,
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
