//! Scans what is due: leases targets, scans them side by side, and files each result as it
//! comes.
//!
//! A lease is renewed while its scan runs. A scan that panics costs itself only: its server is
//! tried again later, like one that did not answer. A result that cannot be filed is lost with
//! its lease, and the server is scanned once more when that ends. Told to stop, no scan is begun
//! any more, and those that run are finished and filed. A scan that the same signal cut short
//! says nothing about its server: it is not filed, and the server stays due.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use scanner::evidence::{Evidence, Stopped};
use scanner::report::{Class, Report};
use scanner::scan::Scan;
use scanner::time::{Clock, Millis};
use tokio::sync::watch;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

use crate::due::{self, History, Pace};
use crate::error::StoreError;
use crate::ids::Kind;
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
    let mut crew = Crew::new(store, scanner, clock, pace);
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
    let mut crew = Crew::new(store, scanner, clock, pace);
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
            break;
        }
        tokio::select! {
            _ = heartbeat.tick() => crew.renew().await,
            Some(ended) = crew.scans.join_next_with_id() => match crew.end(ended).await {
                Ok(new) => filed += usize::from(new),
                Err(error) => fault = Some(error),
            },
        }
    }
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
    mut stop: watch::Receiver<bool>,
) {
    let mut crew = Crew::new(store, scanner, clock, pace);
    let mut heartbeat = heartbeat(pace);
    let mut stopping = *stop.borrow();
    loop {
        let mut pause = millis(pace.idle_ms);
        if !stopping && crew.has_room() {
            match crew.begin().await {
                Ok(_) => pause = crew.pause().await,
                Err(error) => tracing::error!(%error, "cannot look for work"),
            }
        }
        if stopping && crew.running.is_empty() {
            return;
        }
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

struct Crew<'a, S> {
    store: &'a Store,
    scanner: &'a Arc<S>,
    clock: &'a dyn Clock,
    pace: &'a Pace,
    scans: JoinSet<Catch>,
    running: HashMap<Id, Running>,
}

impl<'a, S: Scan + 'static> Crew<'a, S> {
    fn new(store: &'a Store, scanner: &'a Arc<S>, clock: &'a dyn Clock, pace: &'a Pace) -> Self {
        Self {
            store,
            scanner,
            clock,
            pace,
            scans: JoinSet::new(),
            running: HashMap::new(),
        }
    }

    fn room(&self) -> u32 {
        let running = u32::try_from(self.running.len()).unwrap_or(u32::MAX);
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
        let until = self.clock.now().plus(self.pace.lease_ms);
        let leases = self.store.lease_due(due, until, room).await?;
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
    async fn pause(&self) -> Duration {
        let idle = self.pace.idle_ms;
        if !self.has_room() {
            return millis(idle);
        }
        match self.store.next_due_at().await {
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
                self.store.release(&lease, now).await?;
                Ok(false)
            }
            Ok((_, Catch { evidence, report })) => {
                let history = history(&lease, &evidence, &report, now);
                let filing = Filing {
                    target: lease.id,
                    scan,
                    next_due: crate::asked::next(&lease.target, &history, self.pace),
                    evidence: &evidence,
                    report: &report,
                    finished: now,
                    lease_until: Some(lease.until),
                };
                self.file(&filing).await?;
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
                };
                let due = due::next(&history, self.pace);
                self.store.give_up(&lease, due).await?;
                Ok(false)
            }
            Err(_) => Ok(false), // aborted: the lease was lost
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

async fn work<S: Scan>(
    scanner: Arc<S>,
    lease: Leased,
    scan: String,
    grade: fn(&Evidence) -> Report,
) -> Catch {
    let evidence = scanner.scan(&lease.target, &scan).await;
    let mut report = grade(&evidence);
    report.scan = Some(scan);
    Catch { evidence, report }
}

fn history<'l>(
    lease: &'l Leased,
    evidence: &Evidence,
    report: &Report,
    now: Millis,
) -> History<'l> {
    let fruitless = matches!(report.class, Class::Unreachable | Class::Blocked);
    let seen = &report.evidence.surface_sha256;
    let changed = lease.surface.as_ref().is_some_and(|before| before != seen);
    History {
        server: &lease.server,
        now,
        class: Some(report.class),
        failures: if fruitless {
            lease.failures.saturating_add(1)
        } else {
            0
        },
        failing_since: lease.failing_since,
        changed_at: if changed || lease.surface.is_none() {
            Some(now)
        } else {
            lease.changed_at
        },
        changed,
        rate_limited: evidence.stopped == Stopped::RateLimited,
    }
}
