//! What a host has said about being asked, heard before anything else is asked of it: an opt-out
//! in the name system or in `/.well-known/authdex.txt`, and robots.txt (RFC 9309).
//!
//! The scanner asks, [`Courtesy`] remembers: an installation keeps what was heard for a day in its
//! database, a single run forgets it. Hosts at private addresses are asked nothing beforehand
//! unless the courtesy says so; whoever scans those runs them.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, FROM, HOST, HeaderValue, LOCATION, RETRY_AFTER, USER_AGENT};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, OnceCell};
use url::Url;

use super::client::Client;
use super::doors::{self, Door};
use super::failure;
use super::guard::Rule;
use super::pace::Place;
use super::retry::retry_after;
use crate::evidence::{Consent, Depth, Failure, Stopped};
use crate::facts::relation;
use crate::identity::Line;
use crate::robots::{self, Robots};
use crate::target::Target;
use crate::time::Millis;

/// What is heard of a host holds for so long.
pub const MANNERS_MS: i64 = 24 * 3_600_000;
/// Bytes read of `authdex.txt`.
const FILE_BYTES: usize = 8 * 1024;
/// Where a host shows opt-outs and proofs.
const FILE: &str = "/.well-known/authdex.txt";
/// Redirects of robots.txt that are followed, within its origin.
const HOPS: u32 = 2;
/// The line and the record by which a host opts out.
const OPT_OUT: &str = "opt-out";
/// What the line of a proof begins with.
const PROOF: &str = "authdex-verify=";
/// Lines of a file that are looked at.
const MOST_LINES: usize = 100;

/// A future that can be put into a trait object.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Who remembers what hosts said, and who may be asked what.
pub trait Courtesy: Send + Sync {
    /// Whether a host, or one above it, asked to be left out. Looked at before its name is
    /// resolved and again before each request, so it must be quick.
    fn barred(&self, host: &str) -> bool;

    /// Whether a host is left out for good, so that not even a proof is looked for in its file.
    fn sealed(&self, host: &str) -> bool {
        self.barred(host)
    }

    /// Whether robots.txt of this host yields: its owner proved to run it, or the operator does.
    fn owned(&self, host: &str) -> bool;

    /// Whether hosts at private and loopback addresses are treated as others are.
    fn minds_private(&self) -> bool;

    /// The terms of a scan that is about to begin.
    fn terms<'a>(&'a self, target: &'a Target) -> Later<'a, Terms>;

    /// What was heard of a host before.
    fn recall<'a>(&'a self, host: &'a str) -> Later<'a, Option<Manners>>;

    /// Keeps what was heard of a host.
    fn keep<'a>(&'a self, host: &'a str, manners: &'a Manners) -> Later<'a, ()>;

    /// A host, or one above it, was found to opt out.
    fn opted_out<'a>(&'a self, host: &'a str, by_file: bool) -> Later<'a, ()>;

    /// Something was sent that is in no evidence.
    fn sent(&self, scan: &str, line: Line);
}

/// On whose behalf a scan is made, and how far it may go.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// Nobody asked for it: robots.txt groups for everybody count, too.
    pub scheduled: bool,
    /// Another depth than that of the settings, with who allowed it.
    pub deeper: Option<(Depth, Consent)>,
}

/// What a host says of being asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manners {
    /// When it was heard.
    pub at: Millis,
    /// Status of robots.txt, 0 if no answer came.
    pub status: u16,
    /// What robots.txt says.
    pub robots: Robots,
    /// The file for opt-outs was looked at, too.
    #[serde(default)]
    pub file: bool,
}

impl Manners {
    /// Whether the host could not say what it wants: then nothing is asked (section 2.3.1.4). A
    /// host from which no answer came at all is asked, to learn that it does not answer.
    #[must_use]
    pub fn unreadable(&self) -> bool {
        self.status >= 500 || self.status == 429
    }

    /// Whether this path and query may be asked for.
    #[must_use]
    pub fn lets(&self, path: &str, scheduled: bool) -> bool {
        if self.unreadable() {
            return false;
        }
        if scheduled {
            self.robots.lets_a_crawler(path)
        } else {
            self.robots.lets_us(path)
        }
    }
}

/// The courtesy of a single run, which remembers nothing and obeys what names us.
#[derive(Debug, Clone, Default)]
pub struct Fleeting {
    /// Hosts that the person who runs it owns.
    pub owned: Vec<String>,
}

impl Courtesy for Fleeting {
    fn barred(&self, _host: &str) -> bool {
        false
    }

    fn owned(&self, host: &str) -> bool {
        self.owned.iter().any(|own| own.eq_ignore_ascii_case(host))
    }

    fn minds_private(&self) -> bool {
        false
    }

    fn terms<'a>(&'a self, _target: &'a Target) -> Later<'a, Terms> {
        Box::pin(std::future::ready(Terms::default()))
    }

    fn recall<'a>(&'a self, _host: &'a str) -> Later<'a, Option<Manners>> {
        Box::pin(std::future::ready(None))
    }

    fn keep<'a>(&'a self, _host: &'a str, _manners: &'a Manners) -> Later<'a, ()> {
        Box::pin(std::future::ready(()))
    }

    fn opted_out<'a>(&'a self, _host: &'a str, _by_file: bool) -> Later<'a, ()> {
        Box::pin(std::future::ready(()))
    }

    fn sent(&self, _scan: &str, _line: Line) {}
}

/// What one scan has heard, host by host.
#[derive(Default)]
pub(super) struct Heard(Mutex<BTreeMap<String, Arc<OnceCell<Manners>>>>);

/// What came before a scan.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Entry {
    /// Why nothing more is asked.
    pub(super) refused: Option<Stopped>,
    /// Requests to the endpoint's host.
    pub(super) asked: u32,
    /// Further hosts may be asked for their robots.txt, too.
    pub(super) minded: bool,
}

/// Whether a text record or a line of a file is an opt-out.
fn opts_out(text: &str) -> bool {
    text.trim().eq_ignore_ascii_case(OPT_OUT)
}

/// The token that a text record or a line of a file shows.
fn token(text: &str) -> Option<&str> {
    text.trim().strip_prefix(PROOF).map(str::trim)
}

/// What a host shows in its record or its file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// It opts out.
    pub opt_out: bool,
    /// Tokens of proofs.
    pub tokens: Vec<String>,
}

impl Shown {
    /// Reads text records or the lines of a file.
    pub fn of<'t>(lines: impl IntoIterator<Item = &'t str>) -> Self {
        let mut out = Self::default();
        for line in lines.into_iter().take(MOST_LINES) {
            out.opt_out |= opts_out(line);
            out.tokens
                .extend(token(line).map(|token| token.chars().take(100).collect()));
        }
        out
    }
}

/// A host and the names above it up to the registrable domain.
pub(super) fn names_above(host: &str) -> Vec<String> {
    let host = host.trim_end_matches('.');
    let Some(top) = relation::registrable_domain(host) else {
        return vec![host.to_owned()];
    };
    let mut out = Vec::new();
    let mut name = host;
    loop {
        out.push(name.to_owned());
        match name.split_once('.') {
            Some((_, above)) if name != top && above.len() >= top.len() => name = above,
            _ => return out,
        }
    }
}

impl Client<'_> {
    /// Hears what the endpoint's host has to say before anything else is asked of it.
    pub(super) async fn enter(&self, endpoint: &str, terms: &Terms) -> Entry {
        let mut entry = Entry::default();
        let Some(courtesy) = self.settings.courtesy.as_deref() else {
            return entry;
        };
        let Some(url) = Url::parse(endpoint).ok() else {
            return entry;
        };
        let Some((host, _)) = doors::host_and_port(&url) else {
            return entry;
        };
        if courtesy.barred(&host) || self.opted_out_by_name(courtesy, &host).await {
            entry.refused = Some(Stopped::OptedOut);
            return entry;
        }
        // A host that cannot be reached at all is the scan's to tell of.
        let Ok(door) = self.doors.to(&url, false).await else {
            return entry;
        };
        if door.place == Place::Private && !courtesy.minds_private() {
            return entry;
        }
        entry.minded = true;
        let key = origin_key(&url);
        let (mut manners, mut news) = match self.fresh(courtesy, &key).await {
            Some(manners) => (manners, false),
            None => {
                let (manners, asked) = self.listen(&url, &door, HOPS).await;
                entry.asked += asked;
                (manners, true)
            }
        };
        let owned = courtesy.owned(&host);
        if !manners.file && (owned || manners.lets(FILE, false)) {
            let (shown, asked) = self.shown_in_file(&url, &door, "opt_out").await;
            entry.asked += asked;
            (manners.file, news) = (true, true);
            if shown.opt_out {
                courtesy.opted_out(&host, true).await;
                entry.refused = Some(Stopped::OptedOut);
            }
        }
        if news {
            courtesy.keep(&key, &manners).await;
        }
        if !owned && !manners.lets(&path_and_query(&url), terms.scheduled) {
            entry.refused.get_or_insert(Stopped::Robots);
        }
        self.heard.set(&key, manners).await;
        entry
    }

    /// Whether a request may be sent: neither the host nor its robots.txt is against it. Of hosts
    /// other than the endpoint's, the file is read before the first request.
    pub(super) async fn may_ask(&self, url: &Url, door: &Door, quiet: bool) -> Result<(), Failure> {
        let Some(courtesy) = self.settings.courtesy.as_deref() else {
            return Ok(());
        };
        if door.place == Place::Private && !courtesy.minds_private() || courtesy.owned(&door.host) {
            return Ok(());
        }
        let key = origin_key(url);
        let cell = self.heard.cell(&key).await;
        // Over a handshake nothing is asked, and port 80 gets its one probe alone: neither is a
        // reason to ask for a file.
        if quiet && cell.get().is_none() {
            return Ok(());
        }
        let manners = cell
            .get_or_init(|| async {
                if let Some(manners) = self.fresh(courtesy, &key).await {
                    return manners;
                }
                let (manners, _) = self.listen(url, door, 0).await;
                courtesy.keep(&key, &manners).await;
                manners
            })
            .await;
        if manners.lets(&path_and_query(url), false) {
            Ok(())
        } else {
            Err(doors::blocked(Rule::Robots))
        }
    }

    /// Whether the host of this URL asked to be left out.
    pub(super) fn is_barred(&self, url: &Url) -> bool {
        let courtesy = self.settings.courtesy.as_deref();
        let host = doors::host_and_port(url).map(|(host, _)| host);
        courtesy
            .zip(host)
            .is_some_and(|(courtesy, host)| courtesy.barred(&host))
    }

    /// Whether the host of this URL is left out for good.
    pub(super) fn is_sealed(&self, url: &Url) -> bool {
        let courtesy = self.settings.courtesy.as_deref();
        let host = doors::host_and_port(url).map(|(host, _)| host);
        courtesy
            .zip(host)
            .is_some_and(|(courtesy, host)| courtesy.sealed(&host))
    }

    async fn fresh(&self, courtesy: &dyn Courtesy, key: &str) -> Option<Manners> {
        let manners = courtesy.recall(key).await?;
        let age = self.settings.clock.now().since(manners.at);
        (0..MANNERS_MS).contains(&age).then_some(manners)
    }

    /// Looks for an opt-out of the host and those above it in the name system. Names that are
    /// mapped elsewhere have no records there, unless the operator named the servers to ask.
    async fn opted_out_by_name(&self, courtesy: &dyn Courtesy, host: &str) -> bool {
        if !self.doors.has_records(host) {
            return false;
        }
        for name in names_above(host) {
            let records = self.doors.text_records(&format!("_authdex.{name}")).await;
            if Shown::of(records.iter().map(String::as_str)).opt_out {
                courtesy.opted_out(&name, false).await;
                return true;
            }
        }
        false
    }

    /// What `/.well-known/authdex.txt` shows, and how many requests it took.
    pub(super) async fn shown_in_file(&self, url: &Url, door: &Door, why: &str) -> (Shown, u32) {
        let Ok(file) = url.join(FILE) else {
            return (Shown::default(), 0);
        };
        let fetched = self.fetch(&file, door, FILE_BYTES, why).await;
        let shown = match fetched.status {
            200 => Shown::of(String::from_utf8_lossy(&fetched.body).lines()),
            _ => Shown::default(),
        };
        (shown, 1)
    }

    /// Asks for robots.txt, and how many requests it took.
    async fn listen(&self, url: &Url, door: &Door, hops: u32) -> (Manners, u32) {
        let mut manners = Manners {
            at: self.settings.clock.now(),
            ..Manners::default()
        };
        let Ok(mut file) = url.join("/robots.txt") else {
            return (manners, 0);
        };
        let mut asked = 0;
        loop {
            let fetched = self.fetch(&file, door, robots::MOST_BYTES, "robots").await;
            asked += 1;
            manners.status = fetched.status;
            if fetched.status == 200 {
                manners.robots = Robots::parse(&fetched.body);
            }
            let next = fetched
                .location
                .filter(|_| matches!(fetched.status, 301 | 302 | 303 | 307 | 308))
                .and_then(|place| file.join(&place).ok())
                .filter(|next| next.origin() == file.origin() && asked <= hops);
            match next {
                Some(next) => file = next,
                None => return (manners, asked),
            }
        }
    }

    /// One request of this module, when it is the host's turn.
    async fn fetch(&self, url: &Url, door: &Door, most: usize, why: &str) -> Fetched {
        let mut fetched = Fetched::default();
        let host = door.host.trim_end_matches('.');
        let pace = &self.settings.pace;
        let Ok(turn) = pace.turn(host, door.place, Duration::ZERO).await else {
            return fetched;
        };
        let at = self.settings.clock.now();
        let work = async {
            let mut response = self.get(url, door).await?;
            fetched.status = response.status().as_u16();
            let header = |name| {
                let value = response.headers().get(name)?;
                value.to_str().ok().map(str::to_owned)
            };
            fetched.location = header(LOCATION);
            let wait = header(RETRY_AFTER)
                .and_then(|value| retry_after(&value, self.settings.clock.now()));
            turn.answered(fetched.status, wait);
            while let Some(chunk) = response.chunk().await.ok()? {
                let room = most - fetched.body.len();
                fetched
                    .body
                    .extend_from_slice(&chunk[..chunk.len().min(room)]);
                if chunk.len() >= room {
                    break;
                }
            }
            Some(())
        };
        // What did not come in time did not come.
        let _ = tokio::time::timeout(self.settings.timeouts.first_byte, work).await;
        if let Some(courtesy) = &self.settings.courtesy {
            courtesy.sent(
                &self.scan,
                Line {
                    at,
                    method: "GET".into(),
                    url: url.as_str().into(),
                    why: why.into(),
                    status: fetched.status,
                    bytes: fetched.body.len() as u64,
                },
            );
        }
        fetched
    }

    /// Sends, and as a scan does once more to a host whose certificate does not validate, or that
    /// speaks HTTP/2 alone: neither has heard a request yet.
    async fn get(&self, url: &Url, door: &Door) -> Option<reqwest::Response> {
        let verdicts = &self.doors.verdicts;
        let fault = match door.client.execute(self.plain_get(url, door)).await {
            Ok(response) => return Some(response),
            Err(fault) => fault,
        };
        if failure::is_certificate(&fault) && verdicts.refused(&door.host).is_some() {
            self.mend(&door.host).await;
            return door.client.execute(self.plain_get(url, door)).await.ok();
        }
        let other = failure::wants_other_protocol(&fault).then(|| self.doors.over_http2(door));
        let other = other.flatten()?;
        other.client.execute(self.plain_get(url, &other)).await.ok()
    }

    fn plain_get(&self, url: &Url, door: &Door) -> reqwest::Request {
        let mut sent = url.clone();
        if door.host_header.is_some() {
            // Cannot fail: the URL has a host and no scheme without one.
            let _ = sent.set_port(None);
        }
        let mut request = reqwest::Request::new(reqwest::Method::GET, sent);
        let headers = request.headers_mut();
        if let Some(host) = &door.host_header {
            headers.insert(HOST, host.clone());
        }
        headers.insert(ACCEPT, HeaderValue::from_static("text/plain"));
        if let Some(agent) = &self.agent {
            headers.insert(USER_AGENT, agent.clone());
        }
        let contact = self.settings.identity.contact.as_deref();
        if let Some(contact) = contact.and_then(|contact| HeaderValue::from_str(contact).ok()) {
            headers.insert(FROM, contact);
        }
        request
    }
}

#[derive(Default)]
struct Fetched {
    status: u16,
    location: Option<String>,
    body: Vec<u8>,
}

impl Heard {
    async fn cell(&self, key: &str) -> Arc<OnceCell<Manners>> {
        let mut heard = self.0.lock().await;
        Arc::clone(heard.entry(key.to_owned()).or_default())
    }

    async fn set(&self, key: &str, manners: Manners) {
        // Nobody else has heard of the endpoint's host yet.
        let _ = self.cell(key).await.set(manners);
    }
}

/// Scheme, host and port: each origin has a robots.txt of its own.
fn origin_key(url: &Url) -> String {
    url.origin().ascii_serialization()
}

fn path_and_query(url: &Url) -> String {
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Manners, Shown, names_above};

    #[test]
    fn records_are_read_as_they_are_meant() {
        let shown = Shown::of(["v=spf1", " authdex-verify=abc ", "OPT-OUT"]);
        assert!(shown.opt_out);
        assert_eq!(shown.tokens, ["abc"]);
        assert!(!Shown::of(["opt-out-not", "no opt-out"]).opt_out);
    }

    #[test]
    fn names_above_end_at_the_registrable_domain() {
        assert_eq!(
            names_above("a.b.example.co.uk"),
            ["a.b.example.co.uk", "b.example.co.uk", "example.co.uk"]
        );
        assert_eq!(names_above("127.0.0.1"), ["127.0.0.1"]);
    }

    #[test]
    fn a_host_that_cannot_say_is_left_alone() {
        for (status, lets) in [
            (0, true),
            (200, true),
            (404, true),
            (403, true),
            (429, false),
            (503, false),
        ] {
            let manners = Manners {
                status,
                ..Manners::default()
            };
            assert_eq!(manners.lets("/mcp", true), lets, "{status}");
        }
    }
}
