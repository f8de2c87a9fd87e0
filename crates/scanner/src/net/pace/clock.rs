//! The clocks of the pace: tokio's for waiting, everybody's for what is shared.

use std::ops::Add;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock as GovernorClock, Reference};
use governor::nanos::Nanos;
use tokio::time::Instant;

use crate::net::instant;
use crate::time::{Clock, Millis};

/// Nanoseconds since the process first paced something, by tokio's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tick(u64);

impl Add<Nanos> for Tick {
    type Output = Self;

    fn add(self, nanos: Nanos) -> Self {
        Self(self.0.saturating_add(nanos.as_u64()))
    }
}

impl Reference for Tick {
    fn duration_since(&self, earlier: Self) -> Nanos {
        self.0.saturating_sub(earlier.0).into()
    }

    fn saturating_sub(&self, duration: Nanos) -> Self {
        Self(self.0.checked_sub(duration.into()).unwrap_or(self.0))
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct TokioClock(pub(super) Instant);

impl GovernorClock for TokioClock {
    type Instant = Tick;

    fn now(&self) -> Tick {
        Tick(u64::try_from(instant().duration_since(self.0).as_nanos()).unwrap_or(u64::MAX))
    }
}

/// Time as the ledger counts it.
#[derive(Clone)]
pub(super) enum Time {
    /// Since the process first paced something: for a ledger that nobody shares.
    Own(TokioClock),
    /// Everybody's.
    Shared(Arc<dyn Clock>),
}

impl Time {
    pub(super) fn now(&self) -> Millis {
        match self {
            Self::Own(clock) => {
                let passed = instant().duration_since(clock.0).as_millis();
                Millis(i64::try_from(passed).unwrap_or(i64::MAX))
            }
            Self::Shared(clock) => clock.now(),
        }
    }

    pub(super) async fn sleep_until(&self, at: Millis) {
        let left = u64::try_from(at.since(self.now())).unwrap_or(0);
        if left > 0 {
            tokio::time::sleep(Duration::from_millis(left)).await;
        }
    }
}
