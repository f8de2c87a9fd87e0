//! A permission for one request, and what is given back when it ends.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use super::clock::Time;
use super::{GOOD_ANSWERS, HostState, LONGEST_CLOSURE, MOST_STEPS, lock};
use crate::ledger::{Claim, Ledger, Settlement};
use crate::net::instant;
use crate::time::Millis;

/// Permission for one request. Dropping it lets the next one go.
#[derive(Debug)]
pub struct Turn {
    pub(super) host: Arc<HostState>,
    pub(super) hold: Hold,
}

/// Places that are given back when a turn ends, the ledger's first.
pub(super) struct Hold {
    pub(super) permits: Option<(Option<OwnedSemaphorePermit>, Option<OwnedSemaphorePermit>)>,
    pub(super) claim: Option<Claim>,
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) time: Time,
    pub(super) host: Arc<HostState>,
    pub(super) interval: Duration,
    pub(super) sent: bool,
    pub(super) said: Mutex<Said>,
}

impl std::fmt::Debug for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hold").finish_non_exhaustive()
    }
}

/// What came of a request.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Said {
    good: Option<bool>,
    limited: bool,
    closed: Option<Duration>,
}

impl Turn {
    /// Tells the pace what came of the request: a 429 slows the host down, `Retry-After`
    /// closes it, good answers speed it up again.
    pub fn answered(&self, status: u16, retry_after: Option<Duration>) {
        let mut inner = lock(&self.host.inner);
        inner.last = Some(instant());
        if status == 429 {
            inner.steps = (inner.steps + 1).min(MOST_STEPS);
            inner.good = 0;
        } else if inner.steps > 0 && status < 500 {
            inner.good += 1;
            if inner.good >= GOOD_ANSWERS {
                inner.steps -= 1;
                inner.good = 0;
            }
        }
        let closed = retry_after.filter(|_| matches!(status, 429 | 503));
        if let Some(wait) = closed {
            let until = instant() + wait.min(LONGEST_CLOSURE);
            inner.closed_until = inner.closed_until.max(Some(until));
        }
        *lock(&self.hold.said) = Said {
            good: Some(status < 500),
            limited: status == 429,
            closed: closed.map(|wait| wait.min(LONGEST_CLOSURE)),
        };
    }

    /// Tells the pace that no answer came, or only a part of one.
    pub fn failed(&self) {
        lock(&self.host.inner).last = Some(instant());
        lock(&self.hold.said).good = Some(false);
    }
}

impl Hold {
    fn settlement(&self, claim: Claim) -> Settlement {
        let said = *lock(&self.said);
        let inner = *lock(&self.host.inner);
        let now = self.time.now();
        let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let next_at = match inner.last {
            Some(last) if self.sent => {
                let steps = 1 << inner.steps.min(MOST_STEPS);
                let interval = millis(self.interval.saturating_mul(steps));
                // A part of a millisecond counts as a whole one.
                now.plus(interval + 1 - millis(last.elapsed()).min(interval))
            }
            Some(_) | None => Millis(0),
        };
        Settlement {
            host: claim.host,
            operator: claim.operator,
            role: claim.role,
            sent: u32::from(self.sent),
            at: now,
            next_at,
            closed_until: said.closed.map(|wait| now.plus(millis(wait))),
            limited: said.limited,
            good: said.good,
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let Some(claim) = self.claim.take() else {
            return;
        };
        let settlement = self.settlement(claim);
        let permits = self.permits.take();
        let ledger = Arc::clone(&self.ledger);
        let mut settle = Box::pin(async move {
            ledger.settle(settlement).await;
            // Only now may the next one of this process ask the ledger.
            drop(permits);
        });
        let mut context = Context::from_waker(Waker::noop());
        if let Poll::Ready(()) = settle.as_mut().poll(&mut context) {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(settle);
        }
    }
}
