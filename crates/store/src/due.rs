//! When a server is due again.

use scanner::evidence::Evidence;
use scanner::report::{Class, Report};
use scanner::time::Millis;

/// The due time of a server that is not scanned any more.
pub const NEVER: Millis = Millis(i64::MAX);

/// How a program scans: how often, how many at once, and by which judge.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// The slower table for servers of strangers.
    pub public: bool,
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
            ..Self::private(grade)
        }
    }

    /// The pace of an instance for one's own servers.
    #[must_use]
    pub fn private(grade: fn(&Evidence) -> Report) -> Self {
        Self {
            public: false,
            concurrency: 32,
            lease_ms: 10 * 60_000,
            idle_ms: 30_000,
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
    /// Class found.
    pub class: Option<Class>,
    /// Fruitless scans in a row, this one included.
    pub failures: u32,
    /// When the first of them ended.
    pub failing_since: Option<Millis>,
    /// When something last changed; `now` for a scan that saw a change.
    pub changed_at: Option<Millis>,
    /// The scan ended because the server asked for fewer requests.
    pub rate_limited: bool,
}

/// When the server is due again.
#[must_use]
pub fn next(history: &History<'_>, pace: &Pace) -> Millis {
    let day = 86_400_000;
    history.now.plus(if pace.public { 7 * day } else { day })
}
