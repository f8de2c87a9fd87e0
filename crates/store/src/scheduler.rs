//! Scans what is due.
use std::sync::Arc;

use scanner::scan::Scan;
use scanner::time::Clock;
use tokio::sync::watch;

use crate::{Pace, Result, Store};

/// Scans what is due now and returns how many scans were filed.
///
/// # Errors
///
/// If the store fails.
pub async fn tick<S: Scan + 'static>(
    store: &Store,
    scanner: &Arc<S>,
    clock: &dyn Clock,
    pace: &Pace,
) -> Result<usize> {
    let _ = (store, scanner, clock, pace);
    Ok(0)
}

/// Scans what is due until `stop` says true, then lets running scans finish.
pub async fn run<S: Scan + 'static>(
    store: &Store,
    scanner: &Arc<S>,
    clock: &dyn Clock,
    pace: &Pace,
    mut stop: watch::Receiver<bool>,
) {
    let _ = (store, scanner, clock, pace);
    let _ = stop.wait_for(|stop| *stop).await;
}
