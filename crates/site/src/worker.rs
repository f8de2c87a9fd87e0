//! Scanning as a service: the scheduler with the real scanner, and the jobs of the
//! configuration, until told to stop.

use std::net::SocketAddr;
use std::sync::Arc;

use scanner::evidence::Evidence;
use scanner::grade::grade;
use scanner::halt::Halts;
use scanner::net::{NetScanner, OwnHosting};
use scanner::report::Report;
use scanner::rubric;
use scanner::scan::Scan;
use scanner::target::Target;
use scanner::time::{Clock, SystemClock};
use store::{Oversight, Pace, Store};
use tokio::sync::watch;

use crate::citizen::Accounted;
use crate::config::{Mode, Settings};
use crate::halting::NetBeacons;

/// Judges evidence under the rubric in force.
#[must_use]
pub fn judge(evidence: &Evidence) -> Report {
    grade(evidence, rubric::current())
}

/// The pace that the configuration asks for.
#[must_use]
pub fn pace(settings: &Settings) -> Pace {
    Pace {
        public: settings.instance.mode == Mode::Public,
        interval_ms: settings.interval().0,
        settled_ms: settings.interval_unchanged().0,
        concurrency: settings.scan.concurrency,
        lease_ms: settings.schedule.lease.0,
        idle_ms: settings.schedule.sweep_every.0,
        operator_hosts: limited(settings).then_some(settings.policy.operator_hosts),
        operator_per_day: limited(settings).then_some(settings.policy.operator_per_day),
        ..Pace::private(judge)
    }
}

/// Whether operators are limited already when scans are begun. Of private hosts the queue does
/// not know that they are; the pace does.
pub(crate) fn limited(settings: &Settings) -> bool {
    !settings.scan.allow_private || settings.policy.pace_private
}

/// What watches over the scans of an installation.
#[must_use]
pub fn oversight(
    settings: &Settings,
    scanner: &Arc<NetScanner>,
    halts: watch::Receiver<Arc<Halts>>,
) -> Oversight {
    Oversight {
        halts: Some(halts),
        beacons: NetBeacons::at(scanner, &settings.guard.beacons),
        look_every_ms: settings.guard.look_every.0,
    }
}

/// A scanner that tells somebody after each scan.
pub struct Watched<S, F> {
    scanner: S,
    after: F,
}

impl<S, F> Watched<S, F> {
    /// Calls `after` with every scan's evidence.
    pub fn new(scanner: S, after: F) -> Self {
        Self { scanner, after }
    }
}

impl<S: Scan, F: Fn(&Evidence) + Send + Sync> Scan for Watched<S, F> {
    async fn scan(&self, target: &Target, scan_id: &str) -> Evidence {
        let evidence = self.scanner.scan(target, scan_id).await;
        (self.after)(&evidence);
        evidence
    }
}

/// Runs the scheduler and the jobs until `stop` turns true; running scans are filed first.
///
/// # Errors
///
/// If the scanner cannot be built from the configuration.
pub async fn run(
    store: Store,
    settings: Settings,
    stop: watch::Receiver<bool>,
    listeners: &[SocketAddr],
    own_host: Option<OwnHosting>,
) -> anyhow::Result<()> {
    let halts = crate::halting::watch(store.clone(), settings.stop_file());
    let mut net =
        crate::scanning::shared(&settings, &store, stop.clone(), halts.clone(), listeners)?;
    net.own_host = own_host;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let courtesy =
        crate::citizen::remembering(&store, &settings, Arc::clone(&clock), &mut net).await?;
    let asker = Arc::new(NetScanner::new(net).await?);
    let chores = tokio::spawn(crate::citizen::every_so_often(
        store.clone(),
        Arc::clone(&asker),
        Arc::clone(&courtesy),
        Arc::clone(&clock),
        stop.clone(),
    ));
    let oversight = oversight(&settings, &asker, halts);
    let scanner = Arc::new(Accounted::new(asker, store.clone(), courtesy, clock));
    let pace = pace(&settings);
    let jobs = tokio::spawn(crate::jobs::run(
        store.clone(),
        settings.clone(),
        stop.clone(),
    ));
    store::scheduler::run_watched(&store, &scanner, &SystemClock, &pace, stop, oversight).await;
    // The jobs hear the same signal; an aborted walk resumes at its cursor.
    let _ = jobs.await;
    let _ = chores.await;
    Ok(())
}
