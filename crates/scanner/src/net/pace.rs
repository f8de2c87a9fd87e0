//! How often strangers are asked: shared by all scans of one process and, through a
//! [`Ledger`], by all processes that keep the same one.
//!
//! A turn is a permission for one request. It waits for the host to be free (one request
//! at a time), for one of the site's places (a site is a registrable domain, so a few hosts
//! of one operator at a time), for the ledger, for the host's interval, and for the rates of
//! the address and of the whole. The interval counts from the moment the host was last heard,
//! so that it also holds on the host's own clock. A 429 doubles the interval; `Retry-After`
//! closes the host. Waiting is done by tokio's timer only.

mod clock;
mod turn;

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clock::{Tick, Time, TokioClock};
use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use turn::Hold;
pub use turn::Turn;

use super::guard;
use crate::facts::relation;
use crate::hard::Hard;
use crate::ledger::{Alone, Claim, Claimed, Ledger, Refusal, Role};
use crate::time::{Clock, Millis};

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
    /// Requests per second to one public address (a /64 of IPv6), behind which many hosts may
    /// be.
    pub per_address_second: Option<NonZeroU32>,
    /// Requests per second to one host of an authorization server.
    pub as_per_second: Option<NonZeroU32>,
    /// Requests to one host of an authorization server on a UTC day.
    pub as_per_day: Option<u32>,
    /// Requests to all hosts of one registrable domain on a UTC day.
    pub site_per_day: Option<u32>,
    /// Private and loopback hosts are held to the limits of public ones: for rehearsals.
    pub private_as_public: bool,
    /// For how long a host is held by a process that died while asking it.
    pub hold: Duration,
    /// Hosts of one registrable domain at a time are counted over all processes of the ledger.
    /// Only where scans leave a place to authorization servers: else these would wait for ever.
    pub per_site_of_all: bool,
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
            per_address_second: NonZeroU32::new(2),
            as_per_second: NonZeroU32::new(1),
            as_per_day: Some(500),
            site_per_day: Some(2_000),
            private_as_public: false,
            hold: HOLD,
            per_site_of_all: true,
        }
    }
}

impl Rates {
    /// The same within the hard limits: not faster, not more at a time.
    #[must_use]
    pub fn within(mut self, hard: Hard) -> Self {
        let least = Duration::from_millis(u64::from(hard.least_interval_ms));
        self.public = self.public.max(least);
        let most = NonZeroU32::new(hard.global_per_second);
        self.global_per_second = match (self.global_per_second, most) {
            (Some(own), Some(most)) => Some(own.min(most)),
            (None, most) => most,
            (own, None) => own,
        };
        self.per_host = Hard::bytes(self.per_host, hard.per_host);
        self.per_site = Hard::bytes(self.per_site, hard.operator_hosts);
        self
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

/// A host that somebody else holds is tried again after so long, at first and at most.
const AGAIN: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// A hold whose process died ends so long after the request could have begun.
const HOLD: Duration = Duration::from_secs(120);

/// Places that are taken in a line at once.
const PLACES: u32 = 2;

type Global = RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<Tick>>;

/// Where a host lives, which decides its interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Somewhere public.
    Public,
    /// A private or loopback address.
    Private,
}

/// Who is to be asked.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// The host, in lower case, IPv6 without brackets.
    pub host: &'a str,
    /// Where it lives.
    pub place: Place,
    /// At least so long after the request before.
    pub gap: Duration,
    /// What it is asked as.
    pub role: Role,
    /// The address that is dialled, if it is known.
    pub address: Option<IpAddr>,
}

/// The shared pace of a process.
pub struct Pace {
    rates: Rates,
    owned: HashSet<String>,
    clock: TokioClock,
    global: Option<Global>,
    ledger: Arc<dyn Ledger>,
    time: Time,
    hosts: Mutex<HashMap<String, Arc<HostState>>>,
    sites: Mutex<HashMap<String, Arc<Semaphore>>>,
    lines: Mutex<HashMap<String, Line>>,
    /// Places in lines are taken by one at a time, or many would take more than are used.
    taking: tokio::sync::Mutex<()>,
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
    /// When the host was last asked, or heard.
    last: Option<Instant>,
    closed_until: Option<Instant>,
    steps: u32,
    good: u32,
}

/// Places in a line that this process has taken and not used.
#[derive(Debug, Clone, Copy)]
struct Line {
    next: Millis,
    left: u32,
}

/// The host is to be left alone for longer than the pace waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed {
    /// For how long.
    pub left: Duration,
    /// Why.
    pub why: Refusal,
}

impl Pace {
    /// A pace with these numbers, of a process that shares its hosts with nobody.
    #[must_use]
    pub fn new(rates: Rates) -> Self {
        let clock = TokioClock(super::instant());
        Self::over(rates, Arc::new(Alone::default()), Time::Own(clock), clock)
    }

    /// A pace that keeps to a ledger with others. `clock` must be everybody's.
    #[must_use]
    pub fn with_ledger(rates: Rates, ledger: Arc<dyn Ledger>, clock: Arc<dyn Clock>) -> Self {
        let own = TokioClock(super::instant());
        Self::over(rates, ledger, Time::Shared(clock), own)
    }

    fn over(rates: Rates, ledger: Arc<dyn Ledger>, time: Time, clock: TokioClock) -> Self {
        Self {
            global: rates
                .global_per_second
                .map(|rate| RateLimiter::direct_with_clock(Quota::per_second(rate), clock)),
            rates,
            owned: HashSet::new(),
            clock,
            ledger,
            time,
            hosts: Mutex::default(),
            sites: Mutex::default(),
            lines: Mutex::default(),
            taking: tokio::sync::Mutex::default(),
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
    /// As [`Pace::turn_for`].
    pub async fn turn(&self, host: &str, place: Place, gap: Duration) -> Result<Turn, Closed> {
        self.turn_for(&Asking {
            host,
            place,
            gap,
            role: Role::Other,
            address: None,
        })
        .await
    }

    /// The same, knowing more of who is asked.
    ///
    /// # Errors
    ///
    /// If the host's `Retry-After` reaches further than [`Rates::patience`], it kept failing,
    /// or it was asked enough today.
    pub async fn turn_for(&self, asking: &Asking<'_>) -> Result<Turn, Closed> {
        if self.turns.fetch_add(1, Ordering::Relaxed) % TIDY_EVERY == TIDY_EVERY - 1 {
            self.retain_recent();
        }
        let host = asking.host;
        let place = self.place(asking);
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
                let why = Refusal::RetryAfter;
                return Err(Closed { left, why });
            }
            tokio::time::sleep(left).await;
        }
        let mut hold = Hold {
            permits: Some((permit, site)),
            claim: None,
            ledger: Arc::clone(&self.ledger),
            time: self.time.clone(),
            host: Arc::clone(&state),
            interval: self.interval(place, asking.role),
            sent: false,
            said: Mutex::default(),
        };
        if !hold.interval.is_zero() {
            self.claim(&mut hold, asking, place).await?;
        }
        keep_distance(inner, hold.interval.max(asking.gap)).await;
        self.keep_rates(asking, place).await;
        lock(&state.inner).last = Some(super::instant());
        hold.sent = true;
        Ok(Turn { host: state, hold })
    }

    fn place(&self, asking: &Asking<'_>) -> Place {
        if self.owned.contains(asking.host) {
            Place::Private
        } else if self.rates.private_as_public {
            Place::Public
        } else {
            asking.place
        }
    }

    fn interval(&self, place: Place, role: Role) -> Duration {
        let interval = match place {
            Place::Public => self.rates.public,
            Place::Private => self.rates.private,
        };
        match self.rates.as_per_second {
            Some(rate) if role == Role::AuthorizationServer && !interval.is_zero() => {
                let least = Duration::from_secs(1) / rate.get();
                if place == Place::Public && !self.rates.private_as_public {
                    interval.max(least)
                } else {
                    interval
                }
            }
            Some(_) | None => interval,
        }
    }

    /// Asks the ledger until it grants the host.
    async fn claim(
        &self,
        hold: &mut Hold,
        asking: &Asking<'_>,
        place: Place,
    ) -> Result<(), Closed> {
        let strict = place == Place::Public;
        let limit = |n: Option<u32>| n.filter(|_| strict);
        let places = u32::try_from(self.rates.per_site.max(1)).ok();
        let claim = Claim {
            host: asking.host.to_owned(),
            operator: site_of(asking.host),
            role: asking.role,
            // The host of a scan and its authorization server need a place each.
            places: limit(places.map(|places| places.max(2)))
                .filter(|_| self.rates.per_site_of_all),
            operator_per_day: limit(self.rates.site_per_day),
            as_per_day: limit(self.rates.as_per_day),
            hold_ms: i64::try_from(self.rates.hold.as_millis()).unwrap_or(i64::MAX),
        };
        let mut pause = AGAIN.0;
        loop {
            let now = self.time.now();
            match self.ledger.claim(&claim, now).await {
                Claimed::Granted { from, slow } => {
                    hold.claim = Some(claim);
                    if slow {
                        hold.interval *= 2;
                    }
                    self.time.sleep_until(from).await;
                    return Ok(());
                }
                Claimed::Busy { again } => {
                    let wait = u64::try_from(again.since(now)).unwrap_or(0).max(1);
                    tokio::time::sleep(pause.min(Duration::from_millis(wait))).await;
                    pause = (pause * 2).min(AGAIN.1);
                }
                Claimed::Refused { until, why } => {
                    let left = u64::try_from(until.since(now)).unwrap_or(0);
                    let left = Duration::from_millis(left);
                    if why != Refusal::RetryAfter || left > self.rates.patience {
                        return Err(Closed { left, why });
                    }
                    tokio::time::sleep(left).await;
                }
            }
        }
    }

    /// The rate of the address, behind which other hosts are, and that of the whole.
    async fn keep_rates(&self, asking: &Asking<'_>, place: Place) {
        if place == Place::Public
            && !self.rates.public.is_zero()
            && let Some(rate) = self.rates.per_address_second
            && let Some(address) = asking.address.filter(|it| !guard::is_special(*it))
        {
            self.in_line(&format!("ip {}", network(address)), rate, PLACES)
                .await;
        }
        if let Some(global) = &self.global {
            while let Err(early) = global.check() {
                tokio::time::sleep(early.wait_time_from(self.clock.now())).await;
            }
        }
        if let Some(rate) = self.rates.global_per_second
            && self.ledger.is_shared()
        {
            self.in_line("all", rate, (rate.get() / 4).max(1)).await;
        }
    }

    /// Waits for a place in a line of so many places a second, taking `n` at once where none is
    /// left. A place whose time has passed is lost: several of them used at once would be a
    /// burst.
    async fn in_line(&self, name: &str, rate: NonZeroU32, n: u32) {
        let spacing = i64::from((1_000 / rate.get()).max(1));
        let _one = self.taking.lock().await;
        let now = self.time.now();
        let ready = {
            let mut lines = lock(&self.lines);
            lines.get_mut(name).and_then(|line| line.take(spacing, now))
        };
        let at = match ready {
            Some(at) => at,
            None => {
                let first = self.ledger.places(name, spacing, n, now).await;
                let line = Line {
                    next: first.plus(spacing),
                    left: n.saturating_sub(1),
                };
                lock(&self.lines).insert(name.to_owned(), line);
                first
            }
        };
        drop(_one);
        self.time.sleep_until(at).await;
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
        let now = super::instant();
        let keep = self.rates.public.max(self.rates.private) * (1 << MOST_STEPS);
        lock(&self.hosts).retain(|_, state| {
            let inner = *lock(&state.inner);
            Arc::strong_count(state) > 1
                || inner.closed_until.is_some_and(|until| until > now)
                || inner.last.is_some_and(|last| last + keep > now)
        });
        lock(&self.sites).retain(|_, places| Arc::strong_count(places) > 1);
        let now = self.time.now();
        lock(&self.lines).retain(|_, line| line.left > 0 && line.next >= now);
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
        Arc::clone(
            lock(&self.sites)
                .entry(site_of(host))
                .or_insert_with(|| Arc::new(Semaphore::new(self.rates.per_site.max(1)))),
        )
    }
}

/// Waits until the host was left alone for so long, longer if it answered 429.
async fn keep_distance(inner: HostInner, distance: Duration) {
    let Some(last) = inner.last else { return };
    let distance = distance.saturating_mul(1 << inner.steps.min(MOST_STEPS));
    if !distance.is_zero() {
        tokio::time::sleep_until(last + distance).await;
    }
}

impl Line {
    /// The next place whose time has not passed.
    fn take(&mut self, spacing: i64, now: Millis) -> Option<Millis> {
        while self.left > 0 {
            let at = self.next;
            self.next = at.plus(spacing);
            self.left -= 1;
            if at.plus(spacing) > now {
                return Some(at);
            }
        }
        None
    }
}

/// The registrable domain of a host, or the host itself.
fn site_of(host: &str) -> String {
    relation::registrable_domain(host).unwrap_or_else(|| host.to_owned())
}

/// An IPv4 address, or the /64 of an IPv6 address.
fn network(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
