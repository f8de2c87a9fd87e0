//! Who came to the own host. Bounded: so many scans, so many visits for each, and for an hour.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use scanner::evidence::Visit;
use scanner::net::{self, instant};
use tokio::time::Instant;

/// Scans that are remembered at a time.
const SCANS: usize = 200;
/// Visits that are remembered of each.
const EACH: usize = 200;
/// How long a scan's documents are served and its visits remembered.
const LIFE: Duration = Duration::from_secs(3600);
/// Characters of what a visitor calls itself that are kept.
const AGENT: usize = 200;

/// What is remembered.
#[derive(Debug, Default)]
pub struct Visits(Mutex<Vec<Scan>>);

/// A scan that is expected.
#[derive(Debug)]
struct Scan {
    nonce: String,
    since: Instant,
    /// When it was last heard of.
    heard: Instant,
    visits: Vec<Arc<Noted>>,
}

/// A visit, perhaps still going on.
#[derive(Debug)]
struct Noted {
    what: String,
    method: String,
    user_agent: Option<String>,
    peer: Option<IpAddr>,
    at: Instant,
    bytes: AtomicU64,
    left: Mutex<Option<Instant>>,
}

/// Ends a visit when dropped.
#[derive(Debug)]
pub(super) struct Stay(Arc<Noted>);

impl Stay {
    /// The visitor took so many bytes more.
    pub(super) fn took(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        let mut left = self.0.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.get_or_insert_with(instant);
    }
}

impl Visits {
    /// A visitor has come for a scan. `None` if nobody expects it there, or too many came.
    pub(super) fn enter(
        &self,
        nonce: &str,
        what: &str,
        method: &str,
        user_agent: Option<&str>,
        peer: Option<IpAddr>,
    ) -> Option<Stay> {
        let now = instant();
        let mut scans = self.living(now);
        let scan = scans.iter_mut().find(|scan| scan.nonce == nonce)?;
        scan.heard = now;
        if scan.visits.len() >= EACH {
            return None;
        }
        let noted = Arc::new(Noted {
            what: what.to_owned(),
            method: method.to_owned(),
            user_agent: user_agent.map(|agent| agent.chars().take(AGENT).collect()),
            peer,
            at: now,
            bytes: AtomicU64::new(0),
            left: Mutex::default(),
        });
        scan.visits.push(Arc::clone(&noted));
        Some(Stay(noted))
    }

    /// The scan that was heard of last.
    pub(super) fn latest(&self) -> Option<String> {
        let scans = self.living(instant());
        let latest = scans.iter().max_by_key(|scan| scan.heard)?;
        Some(latest.nonce.clone())
    }

    /// What is remembered, without what is too old.
    fn living(&self, now: Instant) -> MutexGuard<'_, Vec<Scan>> {
        let mut scans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        scans.retain(|scan| now.saturating_duration_since(scan.since) < LIFE);
        scans
    }
}

impl net::OwnHost for Visits {
    fn expect(&self, nonce: &str) {
        let now = instant();
        let mut scans = self.living(now);
        if scans.len() >= SCANS {
            scans.remove(0);
        }
        scans.push(Scan {
            nonce: nonce.to_owned(),
            since: now,
            heard: now,
            visits: Vec::new(),
        });
    }

    fn visits(&self, nonce: &str, began: Instant) -> Vec<Visit> {
        let now = instant();
        let scans = self.living(now);
        let scan = scans.iter().find(|scan| scan.nonce == nonce);
        let visits = scan.map(|scan| scan.visits.as_slice()).unwrap_or_default();
        let millis = |from: Instant, to: Instant| {
            u32::try_from(to.saturating_duration_since(from).as_millis()).unwrap_or(u32::MAX)
        };
        visits
            .iter()
            .map(|noted| {
                let left = *noted.left.lock().unwrap_or_else(PoisonError::into_inner);
                Visit {
                    what: noted.what.clone(),
                    after_ms: millis(began, noted.at),
                    method: noted.method.clone(),
                    user_agent: noted.user_agent.clone(),
                    peer: noted.peer,
                    bytes: Some(noted.bytes.load(Ordering::Relaxed)),
                    took_ms: millis(noted.at, left.unwrap_or(now)),
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scanner::net::OwnHost as _;

    #[test]
    fn only_expected_scans_have_visits_and_only_so_many() {
        let visits = Visits::default();
        assert!(visits.enter("a", "cb", "GET", None, None).is_none());
        visits.expect("a");
        for _ in 0..EACH + 5 {
            drop(visits.enter("a", "cb", "GET", Some("x".repeat(900).as_str()), None));
        }
        let seen = visits.visits("a", instant());
        assert_eq!(seen.len(), EACH);
        assert_eq!(seen[0].user_agent.as_ref().map(String::len), Some(AGENT));
        assert!(visits.visits("b", instant()).is_empty());
        for number in 0..SCANS {
            visits.expect(&number.to_string());
        }
        assert!(visits.visits("a", instant()).is_empty());
    }

    #[test]
    fn the_root_belongs_to_the_scan_that_was_heard_of_last() {
        let visits = Visits::default();
        assert_eq!(visits.latest(), None);
        visits.expect("a");
        visits.expect("b");
        drop(visits.enter("a", "cimd_good", "GET", None, None));
        assert_eq!(visits.latest().as_deref(), Some("a"));
    }
}
