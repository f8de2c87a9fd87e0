//! How often strangers are asked: shared by all scans of one process.
//!
//! A turn is a permission for one request. It waits for the host to be free (one request
//! at a time), for one of the site's places (a site is a registrable domain, so a few hosts
//! of one operator at a time), for the host's interval, and for the global rate. A 429
//! doubles the host's interval; `Retry-After` closes the host. Waiting is done by tokio's
//! timer only.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU32;
use std::ops::Add;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::{Clock as GovernorClock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::facts::relation;

/// Numbers of the scan policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Between two requests to a public host. Zero: no waiting.
    pub public: Duration,
    /// Between two requests to a private or loopback host. Zero: no waiting.
    pub private: Duration,
    /// Requests per second to all hosts together; `None` for no limit.
    pub global_per_second: Option<NonZeroU32>,
    /// Requests under way to one host.
    pub per_host: usize,
    /// Hosts of one registrable domain asked at a time.
    pub per_site: usize,
    /// A `Retry-After` up to this long is waited for; a longer one refuses the request.
    pub patience: Duration,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            public: Duration::from_secs(1),
            private: Duration::from_millis(20),
            global_per_second: NonZeroU32::new(20),
            per_host: 1,
            per_site: 2,
            // As long as the last repetition waits.
            patience: Duration::from_secs(30),
        }
    }
}

/// `Retry-After` is honoured up to this long (scan policy).
const LONGEST_CLOSURE: Duration = Duration::from_secs(30 * 24 * 3600);

/// Steps by which answers of 429 slow a host down: 2⁶ times its interval at most.
const MOST_STEPS: u32 = 6;

/// Good answers in a row after which a slowed host is asked one step faster.
const GOOD_ANSWERS: u32 = 20;

/// Turns between two tidyings.
const TIDY_EVERY: u32 = 1024;

/// Nanoseconds since the process first paced something, by tokio's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Tick(u64);

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
struct TokioClock(Instant);

impl GovernorClock for TokioClock {
    type Instant = Tick;

    fn now(&self) -> Tick {
        Tick(u64::try_from(super::instant().duration_since(self.0).as_nanos()).unwrap_or(u64::MAX))
    }
}

type Keyed = RateLimiter<String, DefaultKeyedStateStore<String>, TokioClock, NoOpMiddleware<Tick>>;
type Global = RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<Tick>>;

/// Where a host lives, which decides its interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Somewhere public.
    Public,
    /// A private or loopback address.
    Private,
}

/// The shared pace of a process.
pub struct Pace {
    rates: Rates,
    owned: HashSet<String>,
    clock: TokioClock,
    public: Option<Keyed>,
    private: Option<Keyed>,
    global: Option<Global>,
    hosts: Mutex<HashMap<String, Arc<HostState>>>,
    sites: Mutex<HashMap<String, Arc<Semaphore>>>,
    turns: AtomicU32,
}

impl std::fmt::Debug for Pace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pace")
            .field("rates", &self.rates)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct HostState {
    places: Arc<Semaphore>,
    inner: Mutex<HostInner>,
}

#[derive(Debug, Default, Clone, Copy)]
struct HostInner {
    last: Option<Instant>,
    closed_until: Option<Instant>,
    steps: u32,
    good: u32,
}

/// The host asked to be left alone for this long, longer than the pace waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed(pub Duration);

/// Permission for one request. Dropping it lets the next one go.
#[derive(Debug)]
pub struct Turn {
    host: Arc<HostState>,
    _place: Option<OwnedSemaphorePermit>,
    _site: Option<OwnedSemaphorePermit>,
}

impl Pace {
    /// A pace with these numbers.
    #[must_use]
    pub fn new(rates: Rates) -> Self {
        let clock = TokioClock(super::instant());
        let keyed = |interval: Duration| {
            Quota::with_period(interval).map(|quota| RateLimiter::dashmap_with_clock(quota, clock))
        };
        Self {
            public: keyed(rates.public),
            private: keyed(rates.private),
            global: rates
                .global_per_second
                .map(|rate| RateLimiter::direct_with_clock(Quota::per_second(rate), clock)),
            rates,
            owned: HashSet::new(),
            clock,
            hosts: Mutex::default(),
            sites: Mutex::default(),
            turns: AtomicU32::new(0),
        }
    }

    /// Asks these hosts as often as private ones: their owner wants it.
    #[must_use]
    pub fn owning(mut self, hosts: impl IntoIterator<Item = String>) -> Self {
        let hosts = hosts.into_iter().map(|host| host.to_ascii_lowercase());
        self.owned.extend(hosts);
        self
    }

    /// Waits for permission to send one request to `host`, at least `gap` after the one
    /// before it.
    ///
    /// # Errors
    ///
    /// If the host's `Retry-After` reaches further than [`Rates::patience`].
    pub async fn turn(&self, host: &str, place: Place, gap: Duration) -> Result<Turn, Closed> {
        if self.turns.fetch_add(1, Ordering::Relaxed) % TIDY_EVERY == TIDY_EVERY - 1 {
            self.retain_recent();
        }
        let place = if self.owned.contains(host) {
            Place::Private
        } else {
            place
        };
        let state = self.host(host);
        let permit = Arc::clone(&state.places).acquire_owned().await.ok();
        let site = match place {
            Place::Public => self.site(host).acquire_owned().await.ok(),
            Place::Private => None,
        };
        let inner = *lock(&state.inner);
        if let Some(closed) = inner.closed_until {
            let left = closed.saturating_duration_since(super::instant());
            if left > self.rates.patience {
                return Err(Closed(left));
            }
            tokio::time::sleep(left).await;
        }
        let limiter = match place {
            Place::Public => self.public.as_ref(),
            Place::Private => self.private.as_ref(),
        };
        if let Some(limiter) = limiter {
            // The key is copied once for each request; governor keeps its own.
            let key = host.to_owned();
            while let Err(early) = limiter.check_key(&key) {
                tokio::time::sleep(early.wait_time_from(self.clock.now())).await;
            }
        }
        self.keep_distance(inner, place, gap).await;
        if let Some(global) = &self.global {
            while let Err(early) = global.check() {
                tokio::time::sleep(early.wait_time_from(self.clock.now())).await;
            }
        }
        lock(&state.inner).last = Some(super::instant());
        Ok(Turn {
            host: state,
            _place: permit,
            _site: site,
        })
    }

    /// The limiter knows one interval for all hosts; a slowed host and a request with a gap
    /// of its own wait further here.
    async fn keep_distance(&self, inner: HostInner, place: Place, gap: Duration) {
        let Some(last) = inner.last else { return };
        let interval = match place {
            Place::Public => self.rates.public,
            Place::Private => self.rates.private,
        };
        let slowed = if inner.steps == 0 {
            Duration::ZERO
        } else {
            interval.saturating_mul(1 << inner.steps.min(MOST_STEPS))
        };
        let distance = slowed.max(gap);
        if !distance.is_zero() {
            tokio::time::sleep_until(last + distance).await;
        }
    }

    /// How long `host` still wants to be left alone, if it said so.
    #[must_use]
    pub fn closed_for(&self, host: &str) -> Option<Duration> {
        let state = lock(&self.hosts).get(host).map(Arc::clone)?;
        let until = lock(&state.inner).closed_until?;
        let left = until.saturating_duration_since(super::instant());
        (!left.is_zero()).then_some(left)
    }

    /// The longest `Retry-After` that a request waits for.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.rates.patience
    }

    /// Forgets hosts that are neither in use nor under a penalty, so that memory follows
    /// the hosts of the last minutes. Called by itself now and then.
    pub fn retain_recent(&self) {
        for limiter in [&self.public, &self.private].into_iter().flatten() {
            limiter.retain_recent();
        }
        let now = super::instant();
        let keep = self.rates.public.max(self.rates.private) * (1 << MOST_STEPS);
        lock(&self.hosts).retain(|_, state| {
            let inner = *lock(&state.inner);
            Arc::strong_count(state) > 1
                || inner.closed_until.is_some_and(|until| until > now)
                || inner.last.is_some_and(|last| last + keep > now)
        });
        lock(&self.sites).retain(|_, places| Arc::strong_count(places) > 1);
    }

    /// Hosts remembered at the moment.
    #[must_use]
    pub fn hosts(&self) -> usize {
        lock(&self.hosts).len()
    }

    fn host(&self, host: &str) -> Arc<HostState> {
        let mut hosts = lock(&self.hosts);
        if let Some(state) = hosts.get(host) {
            return Arc::clone(state);
        }
        let state = Arc::new(HostState {
            places: Arc::new(Semaphore::new(self.rates.per_host.max(1))),
            inner: Mutex::default(),
        });
        hosts.insert(host.to_owned(), Arc::clone(&state));
        state
    }

    fn site(&self, host: &str) -> Arc<Semaphore> {
        let site = relation::registrable_domain(host).unwrap_or_else(|| host.to_owned());
        Arc::clone(
            lock(&self.sites)
                .entry(site)
                .or_insert_with(|| Arc::new(Semaphore::new(self.rates.per_site.max(1)))),
        )
    }
}

impl Turn {
    /// Tells the pace what came of the request: a 429 slows the host down, `Retry-After`
    /// closes it, good answers speed it up again.
    pub fn answered(&self, status: u16, retry_after: Option<Duration>) {
        let mut inner = lock(&self.host.inner);
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
        if let Some(wait) = retry_after.filter(|_| matches!(status, 429 | 503)) {
            let until = super::instant() + wait.min(LONGEST_CLOSURE);
            inner.closed_until = inner.closed_until.max(Some(until));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::{Pace, Place, Rates};

    fn rates(millis: u64) -> Rates {
        Rates {
            public: Duration::from_millis(millis),
            private: Duration::ZERO,
            global_per_second: None,
            ..Rates::default()
        }
    }

    #[tokio::test]
    async fn turns_of_one_host_keep_their_interval() {
        let pace = Pace::new(rates(30));
        let start = super::super::instant();
        for _ in 0..4 {
            drop(
                pace.turn("a.example", Place::Public, Duration::ZERO)
                    .await
                    .unwrap(),
            );
        }
        assert!(start.elapsed() >= Duration::from_millis(90));
    }

    #[tokio::test]
    async fn one_request_at_a_time_and_two_hosts_of_a_site() {
        let pace = Arc::new(Pace::new(rates(0)));
        let first = pace
            .turn("a.example.com", Place::Public, Duration::ZERO)
            .await
            .unwrap();
        let _second = pace
            .turn("b.example.com", Place::Public, Duration::ZERO)
            .await
            .unwrap();
        let soon = Duration::from_millis(20);
        for host in ["a.example.com", "c.example.com"] {
            let waiting = pace.turn(host, Place::Public, Duration::ZERO);
            assert!(tokio::time::timeout(soon, waiting).await.is_err(), "{host}");
        }
        drop(first);
        pace.turn("c.example.com", Place::Public, Duration::ZERO)
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn only_owned_hosts_are_asked_faster() {
        let pace = Pace::new(rates(60_000)).owning(["Mine.example".to_owned()]);
        let soon = Duration::from_millis(200);
        for (host, waits) in [("mine.example", false), ("theirs.example", true)] {
            let two = async {
                for _ in 0..2 {
                    drop(
                        pace.turn(host, Place::Public, Duration::ZERO)
                            .await
                            .unwrap(),
                    );
                }
            };
            let waited = tokio::time::timeout(soon, two).await.is_err();
            assert_eq!(waited, waits, "{host}");
        }
    }

    #[tokio::test]
    async fn a_429_doubles_the_interval() {
        let pace = Pace::new(rates(40));
        let turn = pace
            .turn("a.example", Place::Public, Duration::ZERO)
            .await
            .unwrap();
        let start = super::super::instant();
        turn.answered(429, None);
        drop(turn);
        pace.turn("a.example", Place::Public, Duration::ZERO)
            .await
            .unwrap();
        // The first turn was taken a moment before `start`.
        assert!(start.elapsed() >= Duration::from_millis(70));
    }

    #[tokio::test]
    async fn retry_after_closes_the_host_and_no_other() {
        let pace = Pace::new(rates(0));
        let turn = pace
            .turn("a.example", Place::Public, Duration::ZERO)
            .await
            .unwrap();
        turn.answered(429, Some(Duration::from_secs(90 * 24 * 3600)));
        drop(turn);
        let closed = pace
            .turn("a.example", Place::Public, Duration::ZERO)
            .await
            .unwrap_err();
        assert!(closed.0 > Duration::from_secs(29 * 24 * 3600));
        assert!(closed.0 <= Duration::from_secs(30 * 24 * 3600));
        assert!(pace.closed_for("a.example").is_some());
        assert!(pace.closed_for("b.example").is_none());
        pace.turn("b.example", Place::Public, Duration::ZERO)
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn a_gap_counts_from_the_request_before() {
        let pace = Pace::new(rates(0));
        drop(
            pace.turn("a.example", Place::Public, Duration::ZERO)
                .await
                .unwrap(),
        );
        let start = super::super::instant();
        pace.turn("a.example", Place::Public, Duration::from_millis(50))
            .await
            .unwrap();
        assert!(start.elapsed() >= Duration::from_millis(40));
    }

    #[tokio::test]
    async fn forgets_hosts_that_are_done() {
        let pace = Pace::new(rates(0));
        for number in 0..50 {
            let turn = pace
                .turn(&format!("h{number}.example"), Place::Public, Duration::ZERO)
                .await
                .unwrap();
            if number == 7 {
                turn.answered(503, Some(Duration::from_secs(600)));
            }
        }
        pace.retain_recent();
        assert_eq!(pace.hosts(), 1);
    }
}
