//! Scanning as a service: the scheduler with the real scanner, and the jobs of the
//! configuration, until told to stop.

use std::net::SocketAddr;
use std::sync::Arc;

use scanner::evidence::Evidence;
use scanner::grade::grade;
use scanner::net::{NetScanner, OwnHosting};
use scanner::report::Report;
use scanner::rubric;
use scanner::scan::Scan;
use scanner::target::Target;
use scanner::time::SystemClock;
use store::{Pace, Store};
use tokio::sync::watch;

use crate::config::{Mode, Settings};

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
        ..Pace::private(judge)
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
    let mut net = crate::scanning::installed(&settings, stop.clone(), listeners)?;
    net.own_host = own_host;
    let scanner = Arc::new(NetScanner::new(net).await?);
    let pace = pace(&settings);
    let jobs = tokio::spawn(crate::jobs::run(
        store.clone(),
        settings.clone(),
        stop.clone(),
    ));
    store::scheduler::run(&store, &scanner, &SystemClock, &pace, stop).await;
    // The jobs hear the same signal; an aborted walk resumes at its cursor.
    let _ = jobs.await;
    Ok(())
}
