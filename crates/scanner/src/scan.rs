//! The seam between deciding and doing: whoever can scan a target. Real scans go through
//! `net`; tests of the scheduler bring their own.

use std::future::Future;

use crate::evidence::Evidence;
use crate::target::Target;

/// Scans targets.
pub trait Scan: Send + Sync {
    /// Asks the target what the plan wants and records the answers. `scan_id` is sent along
    /// so that an operator can look the scan up. Never fails: what went wrong is evidence.
    fn scan(&self, target: &Target, scan_id: &str) -> impl Future<Output = Evidence> + Send;
}

impl<S: Scan> Scan for std::sync::Arc<S> {
    fn scan(&self, target: &Target, scan_id: &str) -> impl Future<Output = Evidence> + Send {
        (**self).scan(target, scan_id)
    }
}
