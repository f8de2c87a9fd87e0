//! Scans what is due: leases targets, scans them side by side, and files each result as it
//! comes.
//!
//! A lease is renewed while its scan runs. A scan that panics costs itself only: its server is
//! tried again later, like one that did not answer. A result that cannot be filed is lost with
//! its lease, and the server is scanned once more when that ends. Told to stop, no scan is begun
//! any more, and those that run are finished and filed. A scan that the same signal cut short
//! says nothing about its server: it is not filed, and the server stays due.

mod catch;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use catch::{expiry, history, work};
use scanner::evidence::{Evidence, Stopped};
use scanner::report::Report;
use scanner::scan::Scan;
use scanner::time::{Clock, Millis};
use tokio::sync::watch;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

use crate::counters::DAY;
use crate::due::{self, History, Pace};
use crate::error::StoreError;
use crate::ids::Kind;
use crate::leases::LeaseAsk;
use crate::oversight::{Oversight, Weather, soured};
use crate::rows::{Filing, Leased};
use crate::{Result, Store};

/// Scans what is due now, at most as many targets as [`Pace::concurrency`], and returns how
/// many scans were filed.
///
/// # Errors
///
/// If nothing can be leased or a result cannot be filed; the other results are filed first.
pub async fn tick<S: Scan + 'static>(
    store: &Store,
    scanner: &Arc<S>,
    clock: &dyn Clock,
    pace: &Pace,
) -> Result<usize> {
    let mut crew = Crew::new(store, scanner, clock, pace, Oversight::default());
    crew.begin().await?;
    let mut filed = 0;
    let mut fault = None;
    let mut heartbeat = heartbeat(pace);
    while !crew.running.is_empty() {
        tokio::select! {
            _ = heartbeat.tick() => crew.renew().await,
            Some(ended) = crew.scans.join_next_with_id() => match crew.end(ended).await {
                Ok(new) => filed += usize::from(new),
                Err(error) => fault = Some(error),
            },
        }
    }
    crew.count(true).await;
    match fault {
        Some(error) => Err(error),
        None => Ok(filed),
    }
}

/// Scans everything that is due at the moment, at most `most` servers, keeping
/// [`Pace::concurrency`] of them under way, and returns how many scans were filed. When `stop`
/// turns true no scan is begun any more, and those that run are waited for.
///
/// # Errors
///
/// If nothing can be leased or a result cannot be filed; the other results are filed first.
pub async fn drain<S: Scan + 'static>(
    store: &Store,
    scanner: &Arc<S>,
    clock: &dyn Clock,
    pace: &Pace,
    most: Option<u32>,
    stop: &watch::Receiver<bool>,
) -> Result<usize> {
    let oversight = Oversight::default();
    drain_watched(store, scanner, clock, pace, most, stop, oversight).await
}

/// [`drain`] under oversight. Everything stopped ends it.
///
/// # Errors
///
/// As [`drain`].
pub async fn drain_watched<S: Scan + 'static>(
    store: &Store,
    scanner: &Arc<S>,
    clock: &dyn Clock,
    pace: &Pace,
    most: Option<u32>,
    stop: &watch::Receiver<bool>,
    oversight: Oversight,
) -> Result<usize> {
    let mut crew = Crew::new(store, scanner, clock, pace, oversight);
    // What becomes due meanwhile waits for the next call, or this one might never end.
    let due = clock.now();
    let mut left = most.unwrap_or(u32::MAX);
    let mut filed = 0;
    let mut fault = None;
    let mut heartbeat = heartbeat(pace);
    loop {
        if fault.is_none() && !*stop.borrow() {
            match crew.begin_due(due, left).await {
                Ok(begun) => left = left.saturating_sub(begun),
                Err(error) => fault = Some(error),
            }
        }
        if crew.running.is_empty() {
            match crew.settle().await {
                Ok(new) => filed += new,
                Err(error) => fault = Some(error),
            }
            let over = fault.is_some() || left == 0 || *stop.borrow() || crew.oversight.stops_all();
            if over || !store.is_waiting(due, clock.now()).await? {
                break;
            }
        }
        tokio::select! {
            _ = heartbeat.tick() => crew.renew().await,
            Some(ended) = crew.scans.join_next_with_id() => match crew.end(ended).await {
                Ok(new) => filed += usize::from(new),
                Err(error) => fault = Some(error),
            },
            // Somebody else is at the hosts that are left.
            () = tokio::time::sleep(BLOCKED) => match crew.settle_in_time().await {
                Ok(new) => filed += new,
                Err(error) => fault = Some(error),
            },
        }
    }
    crew.count(true).await;
    match fault {
        Some(error) => Err(error),
        None => Ok(filed),
    }
}

/// Scans what is due until `stop` turns true (or its sender is gone), then lets running scans
/// finish. Faults of the store are logged, and tried again after [`Pace::idle_ms`].
pub async fn run<S: Scan + 'static>(
    store: &Store,
    scanner: &Arc<S>,
    clock: &dyn Clock,
    pace: &Pace,
    stop: watch::Receiver<bool>,
) {
    run_watched(store, scanner, clock, pace, stop, Oversight::default()).await;
}

/// [`run`] under oversight: while everything is stopped, or the beacons are not reached, no
/// scan is begun.
pub async fn run_watched<S: Scan + 'static>(
    store: &Store,
    scanner: &Arc<S>,
    clock: &dyn Clock,
    pace: &Pace,
    mut stop: watch::Receiver<bool>,
    oversight: Oversight,
) {
    let mut crew = Crew::new(store, scanner, clock, pace, oversight);
    let mut heartbeat = heartbeat(pace);
    let mut stopping = *stop.borrow();
    loop {
        let mut pause = millis(pace.idle_ms);
        if !stopping && crew.has_room() {
            match crew.begin().await {
                Ok(begun) => pause = crew.pause(begun).await,
                Err(error) => tracing::error!(%error, "cannot look for work"),
            }
        }
        if let Err(error) = crew.settle_in_time().await {
            tracing::error!(%error, "results are lost and will be scanned again");
        }
        if stopping && crew.running.is_empty() {
            if let Err(error) = crew.settle().await {
                tracing::error!(%error, "results are lost and will be scanned again");
            }
            crew.count(true).await;
            return;
        }
        pause = crew.until_settling().map_or(pause, |wait| wait.min(pause));
        tokio::select! {
            changed = stop.changed(), if !stopping => {
                stopping = changed.is_err() || *stop.borrow();
            }
            _ = heartbeat.tick() => crew.renew().await,
            Some(ended) = crew.scans.join_next_with_id() => {
                if let Err(error) = crew.end(ended).await {
                    tracing::error!(%error, "a scan is lost and will be made again");
                    tokio::time::sleep(millis(pace.idle_ms.min(1_000))).await;
                }
            }
            () = tokio::time::sleep(pause), if !stopping => (),
        }
    }
}

fn millis(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0).max(1))
}

/// Ticks at half the length of a lease.
fn heartbeat(pace: &Pace) -> tokio::time::Interval {
    let mut ticks = tokio::time::interval(millis(pace.lease_ms / 2));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks
}

/// What a scan brings home.
struct Catch {
    evidence: Evidence,
    report: Report,
}

/// A scan that runs.
struct Running {
    lease: Leased,
    scan: String,
    handle: AbortHandle,
}

/// A result that waits for a look at the beacons.
struct Unsettled {
    lease: Leased,
    scan: String,
    catch: Catch,
    ended: Millis,
}

struct Crew<'a, S> {
    store: &'a Store,
    scanner: &'a Arc<S>,
    clock: &'a dyn Clock,
    pace: &'a Pace,
    oversight: Oversight,
    scans: JoinSet<Catch>,
    running: HashMap<Id, Running>,
    unsettled: Vec<Unsettled>,
    /// When the beacons were last looked at, and what was wrong then.
    looked: Option<Millis>,
    /// No scan is begun before, after looks that found a fault: their number and that time.
    backing_off: Option<(u32, Millis)>,
    /// Looks in a row that found work which waits for hosts.
    blocked: u32,
    weather: Weather,
}

/// Between two looks for work that waits for hosts.
const BLOCKED: Duration = Duration::from_millis(100);
/// The longest.
const LONGEST_BLOCKED: i64 = 2_000;
/// Pauses after looks at the beacons that found a fault; the last one repeats.
const BACK_OFF: [i64; 5] = [30_000, 60_000, 120_000, 300_000, 600_000];
/// A stopped issuer's servers are tried again so much later.
const ISSUER_STOPPED: i64 = 15 * 60_000;
/// Between two writings of how many scans found what.
const COUNT_EVERY: i64 = 10_000;

impl<'a, S: Scan + 'static> Crew<'a, S> {
    fn new(
        store: &'a Store,
        scanner: &'a Arc<S>,
        clock: &'a dyn Clock,
        pace: &'a Pace,
        oversight: Oversight,
    ) -> Self {
        Self {
            store,
            scanner,
            clock,
            pace,
            oversight,
            scans: JoinSet::new(),
            running: HashMap::new(),
            unsettled: Vec::new(),
            looked: None,
            backing_off: None,
            blocked: 0,
            weather: Weather::default(),
        }
    }

    fn room(&self) -> u32 {
        let running = u32::try_from(self.running.len() + self.unsettled.len());
        let running = running.unwrap_or(u32::MAX);
        self.pace.concurrency.max(1).saturating_sub(running)
    }

    fn has_room(&self) -> bool {
        self.room() > 0
    }

    /// Leases and begins as many scans as there is room for.
    async fn begin(&mut self) -> Result<u32> {
        self.begin_due(self.clock.now(), u32::MAX).await
    }

    /// The same for servers that were due at a moment, at most `most` of them.
    async fn begin_due(&mut self, due: Millis, most: u32) -> Result<u32> {
        let room = self.room().min(most);
        if room == 0 {
            return Ok(0);
        }
        if self.oversight.stops_all() || !self.is_well().await? {
            return Ok(0);
        }
        let now = self.clock.now();
        let ask = LeaseAsk {
            now,
            due,
            until: now.plus(self.pace.lease_ms),
            limit: room,
            operator_hosts: self.pace.operator_hosts,
            operator_per_day: self.pace.operator_per_day,
        };
        let leases = self.store.lease(&ask).await?;
        let begun = u32::try_from(leases.len()).unwrap_or(u32::MAX);
        for lease in leases {
            let scan = Kind::Scan.fresh(self.clock.now());
            let work = work(
                Arc::clone(self.scanner),
                lease.clone(),
                scan.clone(),
                self.pace.grade,
            );
            let handle = self.scans.spawn(work);
            let running = Running {
                lease,
                scan,
                handle: handle.clone(),
            };
            self.running.insert(handle.id(), running);
        }
        Ok(begun)
    }

    /// How long nothing will be due, at most the idle pause.
    async fn pause(&mut self, begun: u32) -> Duration {
        let idle = self.pace.idle_ms;
        if begun > 0 {
            self.blocked = 0;
        }
        if !self.has_room() || self.oversight.stops_all() {
            return millis(idle.min(1_000));
        }
        if let Some((_, until)) = self.backing_off {
            return millis(until.since(self.clock.now()).clamp(10, idle.max(10)));
        }
        match self.store.next_due_at().await {
            // Due, and not to be had: its host is busy, closed or stopped.
            Ok(Some(due)) if begun == 0 && due <= self.clock.now() => {
                let wait = 100 << self.blocked.min(5);
                self.blocked += 1;
                millis(idle.min(LONGEST_BLOCKED).min(wait))
            }
            Ok(Some(due)) => millis(due.since(self.clock.now()).clamp(10, idle.max(10))),
            Ok(None) => millis(idle),
            Err(error) => {
                tracing::error!(%error, "cannot look for work");
                millis(idle)
            }
        }
    }

    /// Renews all leases. A scan whose lease was lost is given up: somebody else makes it.
    async fn renew(&mut self) {
        let until = self.clock.now().plus(self.pace.lease_ms);
        for running in self.running.values_mut() {
            if running.lease.until == until {
                continue;
            }
            match self.store.renew(&mut running.lease, until).await {
                Ok(true) => (),
                Ok(false) => {
                    tracing::warn!(server = %running.lease.server, "lost a lease");
                    running.handle.abort();
                }
                Err(error) => tracing::error!(%error, "cannot renew a lease"),
            }
        }
        for one in &mut self.unsettled {
            if let Err(error) = self.store.renew(&mut one.lease, until).await {
                tracing::error!(%error, "cannot renew a lease");
            }
        }
    }

    /// Whether the beacons were reached not long ago; looks if that is not known.
    async fn is_well(&mut self) -> Result<bool> {
        if self.oversight.beacons.is_none() {
            return Ok(true);
        }
        let now = self.clock.now();
        if let Some((_, until)) = self.backing_off
            && now < until
        {
            return Ok(false);
        }
        let fresh = |looked: Millis| now.since(looked) < self.oversight.look_every_ms;
        if self.backing_off.is_none() && self.looked.is_some_and(fresh) {
            return Ok(true);
        }
        self.settle().await?;
        if self.looked.is_none_or(|looked| looked < now) {
            self.look().await;
        }
        Ok(self.backing_off.is_none())
    }

    /// Asks the beacons; true if all is well.
    async fn look(&mut self) -> bool {
        let Some(beacons) = self.oversight.beacons.clone() else {
            return true;
        };
        let fault = beacons.look().await.fault();
        let now = self.clock.now();
        self.looked = Some(now);
        match fault {
            None => self.backing_off = None,
            Some(fault) => {
                let before = self.backing_off.map_or(0, |(looks, _)| looks);
                let step = usize::try_from(before).unwrap_or(0).min(BACK_OFF.len() - 1);
                let pause = BACK_OFF[step].min(self.pace.idle_ms.saturating_mul(20));
                tracing::error!(fault, pause_ms = pause, "no scan is begun");
                self.backing_off = Some((before + 1, now.plus(pause)));
            }
        }
        self.backing_off.is_none()
    }

    /// How long results may still wait for a look.
    fn until_settling(&self) -> Option<Duration> {
        let first = self.unsettled.first()?;
        let wait = self.oversight.look_every_ms.min(self.pace.lease_ms / 4);
        Some(millis(wait - self.clock.now().since(first.ended)))
    }

    /// Settles results that have waited long enough.
    async fn settle_in_time(&mut self) -> Result<usize> {
        match self.until_settling() {
            Some(wait) if wait <= Duration::from_millis(1) => self.settle().await,
            Some(_) | None => Ok(0),
        }
    }

    /// Looks at the beacons once more and files the results that waited for it; if they are
    /// not reached, throws all of them away and gives the leases back. Says how many were filed.
    async fn settle(&mut self) -> Result<usize> {
        if self.unsettled.is_empty() {
            return Ok(0);
        }
        let well = self.look().await;
        let mut filed = 0;
        let mut fault = None;
        let due = self.backing_off.map(|(_, until)| until);
        for one in std::mem::take(&mut self.unsettled) {
            let outcome = if well {
                self.keep(&one.lease, one.scan, &one.catch, one.ended)
                    .await
                    .map(|()| filed += 1)
            } else {
                let due = due.unwrap_or_else(|| self.clock.now());
                self.store.release(&one.lease, due).await
            };
            if let Err(error) = outcome {
                fault = Some(error);
            }
        }
        match fault {
            Some(error) => Err(error),
            None => Ok(filed),
        }
    }

    /// Writes down how many scans found their server worse, now and then.
    async fn count(&mut self, now_or_never: bool) {
        let now = self.clock.now();
        if self.weather.seen == 0 || (!now_or_never && now.0 - self.weather.written < COUNT_EVERY) {
            return;
        }
        let Weather { seen, bad, .. } = std::mem::take(&mut self.weather);
        self.weather.written = now.0;
        match self.store.note_weather(seen, bad, now).await {
            Ok(true) => tracing::error!("publishing is frozen: too many servers turned bad"),
            Ok(false) => (),
            Err(error) => tracing::error!(%error, "cannot count scans"),
        }
    }

    /// Files a result.
    async fn keep(
        &mut self,
        lease: &Leased,
        scan: String,
        catch: &Catch,
        ended: Millis,
    ) -> Result<()> {
        let Catch { evidence, report } = catch;
        let closed = self.store.closed_until(&lease.host);
        let history = History {
            not_before: closed,
            dates: [expiry(evidence), self.pace.rubric_date],
            ..history(lease, evidence, report, ended)
        };
        let filing = Filing {
            target: lease.id,
            scan,
            next_due: crate::asked::next(&lease.target, &history, self.pace),
            evidence,
            report,
            finished: ended,
            lease_until: Some(lease.until),
        };
        self.file(&filing).await?;
        self.weather.add(soured(lease, report));
        self.count(false).await;
        Ok(())
    }

    /// Files the result of a scan that ended; true if there was one.
    async fn end(&mut self, ended: Result<(Id, Catch), JoinError>) -> Result<bool> {
        let id = match &ended {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        let Some(Running { lease, scan, .. }) = self.running.remove(&id) else {
            return Ok(false);
        };
        let now = self.clock.now();
        match ended {
            Ok((_, Catch { evidence, .. })) if evidence.stopped == Stopped::Stopped => {
                let due = if self.oversight.stops_issuers() {
                    now.plus(ISSUER_STOPPED)
                } else {
                    now
                };
                self.store.release(&lease, due).await?;
                Ok(false)
            }
            // The host does not want it: nothing is filed, and it is left alone for a day.
            Ok((_, Catch { evidence, .. })) if evidence.stopped.is_refusal() => {
                self.store.put_off(&lease, now.plus(DAY), now).await?;
                Ok(false)
            }
            Ok((_, catch)) if self.oversight.beacons.is_some() => {
                self.unsettled.push(Unsettled {
                    lease,
                    scan,
                    catch,
                    ended: now,
                });
                Ok(false)
            }
            Ok((_, catch)) => {
                self.keep(&lease, scan, &catch, now).await?;
                Ok(true)
            }
            Err(error) if error.is_panic() => {
                tracing::error!(server = %lease.server, %scan, "a scan panicked");
                let history = History {
                    server: &lease.server,
                    now,
                    class: None,
                    failures: lease.failures.saturating_add(1),
                    failing_since: lease.failing_since,
                    changed_at: lease.changed_at,
                    changed: false,
                    rate_limited: false,
                    refusals: lease.refusals,
                    not_before: None,
                    dates: [None; 2],
                };
                let due = due::next(&history, self.pace);
                self.store.give_up(&lease, due, now).await?;
                Ok(false)
            }
            Err(_) => {
                // Aborted: the lease was lost, and the host with it.
                self.store.forget_host(&lease.host);
                Ok(false)
            }
        }
    }

    /// Files, and once more if the database was busy.
    async fn file(&self, filing: &Filing<'_>) -> Result<()> {
        match self.store.file(filing).await {
            Err(StoreError::Busy { .. }) => self.store.file(filing).await.map(drop),
            result => result.map(drop),
        }
    }
}
