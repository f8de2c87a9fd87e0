//! The clocks of publishing.

use sha2::{Digest, Sha256};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// By which rules results are published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Anything is held at all. Off for private instances and the command line: there, what is
    /// seen is shown.
    pub hold: bool,
    /// Until bad news may be confirmed by a second look.
    pub confirm_after_ms: i64,
    /// Until the third look decides, from the first.
    pub third_look_ms: i64,
    /// Over how long a server must have been unreachable.
    pub unreachable_ms: i64,
    /// How many scans in a row must have been blocked.
    pub blocked_scans: u32,
    /// How long the first D, E or F of a server waits after it was confirmed.
    pub first_low_ms: i64,
    /// How long something abusable waits for its repair.
    pub abusable_ms: i64,
    /// Nothing new is published by anybody's scan at the moment.
    pub frozen: bool,
}

impl Rules {
    /// Nothing is held.
    #[must_use]
    pub const fn open() -> Self {
        Self {
            hold: false,
            ..Self::public()
        }
    }

    /// The rules of an instance on the open internet.
    #[must_use]
    pub const fn public() -> Self {
        Self {
            hold: true,
            confirm_after_ms: HOUR,
            third_look_ms: DAY,
            unreachable_ms: 7 * DAY,
            blocked_scans: 3,
            first_low_ms: 30 * DAY,
            abusable_ms: 90 * DAY,
            frozen: false,
        }
    }

    /// When a second look at this server counts, from the first: up to a fifth later than
    /// [`Rules::confirm_after_ms`], by its id, so that second looks do not come in crowds.
    #[must_use]
    pub fn confirm_after(&self, server: &str) -> i64 {
        let digest = Sha256::digest(server.as_bytes());
        let share = i64::from(u16::from_be_bytes([digest[4], digest[5]]));
        let whole = i64::from(u16::MAX) * 5;
        self.confirm_after_ms
            .saturating_add(self.confirm_after_ms.saturating_mul(share) / whole)
    }
}
