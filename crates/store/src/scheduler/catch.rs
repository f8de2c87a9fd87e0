//! What a scan brings home, and what it says about when to come again.

use std::sync::Arc;

use scanner::evidence::{Evidence, Stopped};
use scanner::report::{Class, Report};
use scanner::scan::Scan;
use scanner::time::Millis;

use super::Catch;
use crate::due::History;
use crate::rows::Leased;

pub(super) async fn work<S: Scan>(
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

pub(super) fn history<'l>(
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
        refusals: if report.class == Class::Blocked || evidence.stopped == Stopped::RateLimited {
            lease.refusals.saturating_add(1)
        } else {
            0
        },
        not_before: None,
        dates: [None; 2],
    }
}

/// When the endpoint's certificate ends.
pub(super) fn expiry(evidence: &Evidence) -> Option<Millis> {
    let home = crate::hosts::host_of(&evidence.target.url);
    evidence
        .exchanges
        .iter()
        .filter(|exchange| crate::hosts::host_of(&exchange.asked.url) == home)
        .find_map(|exchange| Some(exchange.got.as_ref().ok()?.tls.as_ref()?.not_after))
}
