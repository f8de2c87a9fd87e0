//! Small sections of the configuration.

use scanner::publish::Rules;
use serde::Deserialize;

use super::Span;

const DAY: i64 = 24 * 3_600_000;

/// `[guard]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guard {
    /// URLs that are known to be up.
    pub beacons: Vec<String>,
    /// Between two looks at them.
    pub look_every: Span,
    /// Stops everything while it exists, or `auto`.
    pub stop_file: String,
}

/// `[publication]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publication {
    /// Until a second look may confirm bad news.
    pub confirm_after: Span,
    /// Days that the first D, E or F of a server waits after it was confirmed.
    pub hold_first_low_days: u32,
    /// Days that something abusable waits for its repair.
    pub hold_abusable_days: u32,
}

impl Publication {
    /// The rules by which results are published. A private instance holds nothing: it shows
    /// what it sees.
    #[must_use]
    pub fn rules(&self, public: bool) -> Rules {
        if !public {
            return Rules::open();
        }
        Rules {
            confirm_after_ms: self.confirm_after.0,
            first_low_ms: i64::from(self.hold_first_low_days) * DAY,
            abusable_ms: i64::from(self.hold_abusable_days) * DAY,
            ..Rules::public()
        }
    }
}
