//! What simulated hosts saw of their visitors: how many requests, how close together, how many
//! at once, for which scan, and which of them nobody may send. Kept by the servers, so it is
//! the judge of every limit that a crawler claims to hold.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::is_issuer;
use crate::facts::relation;
use crate::fleet::reply::Asked;
use crate::net::instant;

/// Steps over which the pace of a host is judged: a single gap also measures how late this
/// machine was in noticing a request.
pub const WINDOW: usize = 20;

/// Forbidden requests that are kept word by word.
const KEPT: usize = 20;

/// Paths of authorization servers at which nothing may be asked without consent.
const FORBIDDEN: [&str; 7] = [
    "/authorize",
    "/token",
    "/register",
    "/introspect",
    "/revoke",
    "/consent",
    "/callback",
];

/// What was counted, in one view.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Requests in all.
    pub requests: u64,
    /// TLS connections in all, those that came to nothing left out.
    pub connections: u64,
    /// Hosts that were asked something.
    pub hosts: u64,
    /// Scans that named themselves.
    pub scans: u64,
    /// Most requests of one scan to one host that is no mere issuer, and which.
    pub endpoint_most: (u32, String),
    /// Most requests of one scan to one issuer, and which.
    pub issuer_most: (u32, String),
    /// Most reads of one document of one foreign issuer, and which.
    pub document_most: (u32, String),
    /// Reads of documents of foreign issuers.
    pub documents: u64,
    /// Foreign issuers whose documents were read.
    pub issuers: u64,
    /// Most requests under way at one host, and which.
    pub at_once: (u32, String),
    /// Most hosts of one registrable domain with a request under way, and which domain.
    pub site_at_once: (u32, String),
    /// Smallest time between two requests to one host, microseconds, and which.
    pub gap_us: (u64, String),
    /// Smallest time over [`WINDOW`] steps at one host, microseconds, and which.
    pub window_us: (u64, String),
    /// Requests that nobody may send without consent.
    pub forbidden: u64,
    /// Some of them.
    pub forbidden_examples: Vec<String>,
}

#[derive(Debug, Default)]
struct Host {
    requests: u64,
    recent: VecDeque<Instant>,
    gap: Option<Duration>,
    window: Option<Duration>,
    active: u32,
    most_active: u32,
    by_scan: HashMap<String, u32>,
    documents: BTreeMap<String, u32>,
}

#[derive(Debug, Default)]
struct Inner {
    hosts: HashMap<String, Host>,
    /// Hosts of a registrable domain that are being asked.
    sites: HashMap<String, u32>,
    most_of_site: (u32, String),
    connections: u64,
    forbidden: u64,
    examples: Vec<String>,
}

/// The counts of a crowd.
#[derive(Debug, Default)]
pub struct Counts(Mutex<Inner>);

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Answering<'c> {
    counts: &'c Counts,
    host: String,
}

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        let mut inner = self.counts.lock();
        let Some(host) = inner.hosts.get_mut(&self.host) else {
            return;
        };
        host.active = host.active.saturating_sub(1);
        if host.active == 0 {
            let site = site(&self.host);
            if let Some(n) = inner.sites.get_mut(&site) {
                *n = n.saturating_sub(1);
            }
        }
    }
}

fn site(host: &str) -> String {
    relation::registrable_domain(host).unwrap_or_else(|| host.to_owned())
}

/// The scan that a request belongs to, by what its `User-Agent` says.
fn scan_of(asked: &Asked) -> Option<&str> {
    let agent = asked.header("user-agent")?;
    let (_, rest) = agent.split_once("scan=")?;
    rest.split([')', ';']).next()
}

fn is_forbidden(asked: &Asked) -> bool {
    let by_path = FORBIDDEN.contains(&asked.path.as_str());
    // The one call that is allowed is of a tool that cannot exist.
    let call = asked.body.contains("\"tools/call\"") && !asked.body.contains("authdex-nonexistent");
    by_path || call
}

impl Counts {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn connected(&self) {
        self.lock().connections += 1;
    }

    /// A request has arrived; it is under way until the value is dropped.
    pub(super) fn arrived(&self, asked: &Asked) -> Answering<'_> {
        let now = instant();
        let mut inner = self.lock();
        if is_forbidden(asked) {
            inner.forbidden += 1;
            if inner.examples.len() < KEPT {
                let example = format!("{} https://{}{}", asked.method, asked.host, asked.path);
                inner.examples.push(example);
            }
        }
        let host = inner.hosts.entry(asked.host.clone()).or_default();
        host.requests += 1;
        if let Some(last) = host.recent.back() {
            let gap = now.duration_since(*last);
            host.gap = Some(host.gap.map_or(gap, |least| least.min(gap)));
        }
        host.recent.push_back(now);
        if host.recent.len() > WINDOW
            && let Some(first) = host.recent.pop_front()
        {
            let window = now.duration_since(first);
            host.window = Some(host.window.map_or(window, |least| least.min(window)));
        }
        if let Some(scan) = scan_of(asked) {
            *host.by_scan.entry(scan.to_owned()).or_default() += 1;
        }
        if asked.path.starts_with("/.well-known/o") || asked.path == "/jwks" {
            *host.documents.entry(asked.path.clone()).or_default() += 1;
        }
        host.active += 1;
        host.most_active = host.most_active.max(host.active);
        if host.active == 1 {
            let site = site(&asked.host);
            let n = inner.sites.entry(site.clone()).or_default();
            *n += 1;
            let n = *n;
            if n > inner.most_of_site.0 {
                inner.most_of_site = (n, site);
            }
        }
        Answering {
            counts: self,
            host: asked.host.clone(),
        }
    }

    /// Forgets everything but what is under way.
    pub(super) fn reset(&self) {
        let mut inner = self.lock();
        let active = |host: &Host| host.active;
        let kept: HashMap<String, Host> = inner
            .hosts
            .iter()
            .filter(|(_, host)| host.active > 0)
            .map(|(name, host)| {
                let kept = Host {
                    active: active(host),
                    ..Host::default()
                };
                (name.clone(), kept)
            })
            .collect();
        let sites = std::mem::take(&mut inner.sites);
        *inner = Inner {
            hosts: kept,
            sites,
            ..Inner::default()
        };
    }

    /// What was counted so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let inner = self.lock();
        let mut tally = Tally {
            connections: inner.connections,
            hosts: inner.hosts.len() as u64,
            site_at_once: inner.most_of_site.clone(),
            forbidden: inner.forbidden,
            forbidden_examples: inner.examples.clone(),
            gap_us: (u64::MAX, String::new()),
            window_us: (u64::MAX, String::new()),
            ..Tally::default()
        };
        let mut scans = std::collections::HashSet::new();
        let micros = |d: Duration| u64::try_from(d.as_micros()).unwrap_or(u64::MAX);
        for (name, host) in &inner.hosts {
            tally.requests += host.requests;
            scans.extend(host.by_scan.keys());
            let most = host.by_scan.values().copied().max().unwrap_or_default();
            let issuer = is_issuer(name);
            let place = if issuer {
                &mut tally.issuer_most
            } else {
                &mut tally.endpoint_most
            };
            raise(place, most, name);
            raise(&mut tally.at_once, host.most_active, name);
            if issuer {
                tally.issuers += 1;
                for (path, n) in &host.documents {
                    tally.documents += u64::from(*n);
                    raise(&mut tally.document_most, *n, &format!("{name}{path}"));
                }
            }
            for (place, least) in [
                (&mut tally.gap_us, host.gap),
                (&mut tally.window_us, host.window),
            ] {
                if let Some(least) = least.map(micros)
                    && least < place.0
                {
                    *place = (least, name.clone());
                }
            }
        }
        tally.scans = scans.len() as u64;
        tally
    }
}

fn raise(place: &mut (u32, String), n: u32, name: &str) {
    if n > place.0 {
        *place = (n, name.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::{Counts, WINDOW};
    use crate::fleet::reply::Asked;

    fn asked(host: &str, path: &str, body: &str) -> Asked {
        Asked {
            host: host.into(),
            method: "POST".into(),
            path: path.into(),
            query: None,
            headers: vec![(
                "user-agent".into(),
                "authdex/1 (+https://a.example/policy; scan=scn_1)".into(),
            )],
            body: body.into(),
            named: None,
        }
    }

    #[test]
    fn what_overlaps_and_what_is_forbidden_is_counted() {
        let counts = Counts::default();
        let one = counts.arrived(&asked("a.one.example", "/mcp", ""));
        let two = counts.arrived(&asked("a.one.example", "/mcp", ""));
        let three = counts.arrived(&asked("b.one.example", "/mcp", ""));
        drop((one, two, three));
        drop(counts.arrived(&asked("c.one.example", "/token", "")));
        let call = r#"{"method":"tools/call","params":{"name":"delete_table"}}"#;
        drop(counts.arrived(&asked("c.one.example", "/mcp", call)));
        for _ in 0..WINDOW {
            drop(counts.arrived(&asked("login.idp-7.example", "/jwks", "")));
        }
        let tally = counts.tally();
        assert_eq!(tally.requests, 5 + WINDOW as u64);
        assert_eq!(tally.scans, 1);
        assert_eq!(tally.at_once, (2, "a.one.example".into()));
        assert_eq!(tally.site_at_once, (2, "one.example".into()));
        assert_eq!(tally.forbidden, 2);
        assert_eq!(
            tally.forbidden_examples[0],
            "POST https://c.one.example/token"
        );
        assert_eq!(tally.issuer_most.0, 20);
        assert_eq!(tally.document_most, (20, "login.idp-7.example/jwks".into()));
        counts.reset();
        assert_eq!(counts.tally().requests, 0);
    }
}
