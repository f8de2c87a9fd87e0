//! The only place that talks to strangers.
//!
//! [`NetScanner`] follows the plan: it asks what [`crate::plan::next`] wants, records the
//! answers and asks again, until nothing is left, time runs out, somebody says stop or the
//! server says 429. Every request passes the address [`guard`], waits for its turn in the
//! shared [`pace`], and is redacted before it is recorded. What goes wrong with a server
//! is evidence, never an error.

mod capture;
mod client;
mod cookies;
mod courtesy;
mod direct;
mod discover;
mod doors;
mod failure;
mod forge;
pub mod guard;
mod hello;
mod issuer;
mod lending;
mod names;
mod own;
pub mod pace;
mod proof;
mod read;
mod release;
mod retry;
mod round;
mod settings;
mod shared;
mod tls;
mod vault;

use std::net::SocketAddr;
use std::time::Duration;

use tracing::Instrument;
use url::Url;

pub use courtesy::{Courtesy, Fleeting, Later, MANNERS_MS, Manners, Shown, Terms};
pub use direct::{Greeted, Post, Posted};
pub use discover::{Batch, Registry, Walk};
pub use guard::Guard;
pub use own::{Browser, Credentials, OwnHost, OwnHosting, SuppliedValue};
pub use pace::{Asking, Closed, Pace, Rates};
pub use proof::Found;
pub use settings::{
    Caps, ConnectTo, EndpointHeader, Entropy, Identity, Observer, Retries, Settings, Timeouts,
};

use crate::evidence::{Evidence, Exchange, Forgery, PLAN, Purpose, SCHEMA, Stopped};
use crate::plan::{self, Limits};
use crate::scan::Scan;
use crate::target::Target;
use names::Names;
use round::Run;
use shared::SharedDocuments;
use tls::Trust;

/// Why a scanner cannot be made, or a registry not be walked.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The bundle of extra certificates.
    #[error("reading extra certificates: {0}; expected PEM")]
    Roots(String),
    /// The TLS library.
    #[error("preparing TLS: {0}")]
    Tls(String),
    /// The resolver.
    #[error("preparing name resolution: {0}")]
    Resolver(String),
    /// The proxy's URL.
    #[error("preparing the proxy: {0}; expected http://, https:// or socks5h:// with a host")]
    Proxy(String),
    /// Connect-to rules and a proxy together.
    #[error("preparing the proxy: it cannot be used together with connect-to rules")]
    ProxyWithConnectTo,
    /// A connect-to rule.
    #[error("reading connect-to rule `{0}`: expected HOST1:PORT1:HOST2:PORT2")]
    ConnectTo(String),
    /// A header for the endpoint.
    #[error("reading the header `{name}`: its {what} is not legal in HTTP")]
    EndpointHeader {
        /// Its name, escaped.
        name: String,
        /// `name` or `value`.
        what: &'static str,
    },
    /// The HTTP client.
    #[error("preparing a connection: {0}")]
    Client(String),
    /// A registry.
    #[error("walking the registry {registry}: {what}")]
    Registry {
        /// Its base URL.
        registry: String,
        /// What was wrong, and where.
        what: String,
    },
}

/// Scans servers over the network.
pub struct NetScanner {
    shared: Shared,
}

/// What all scans of one scanner share.
struct Shared {
    settings: Settings,
    trust: Trust,
    names: Names,
    proxy: Option<Proxy>,
    documents: SharedDocuments,
}

/// A proxy, resolved once: the operator chose it, so the guard does not look at it.
struct Proxy {
    rule: reqwest::Proxy,
    host: String,
    addresses: Vec<SocketAddr>,
}

impl NetScanner {
    /// Makes a scanner; reads the certificates and resolves the proxy once.
    ///
    /// # Errors
    ///
    /// If one of the settings cannot be used.
    pub async fn new(settings: Settings) -> Result<Self, NetError> {
        Ok(Self {
            shared: Shared::new(settings).await?,
        })
    }

    /// How long a host still wants to be left alone, by its `Retry-After`.
    #[must_use]
    pub fn closed_for(&self, host: &str) -> Option<Duration> {
        self.shared.settings.pace.closed_for(host)
    }

    async fn follow_plan(&self, target: &Target, scan: &str) -> Evidence {
        let settings = &self.shared.settings;
        let terms = match &settings.courtesy {
            Some(courtesy) => courtesy.terms(target).await,
            None => Terms::default(),
        };
        let mut limits = Limits {
            depth: target.depth(settings.limits.depth),
            ..settings.limits
        };
        let mut consent = settings.consent.clone();
        if let Some((depth, from)) = &terms.deeper {
            limits.depth = *depth;
            consent = Some(from.clone());
        }
        let mut evidence = Evidence {
            schema: SCHEMA,
            target: target.clone(),
            scanner: env!("CARGO_PKG_VERSION").to_owned(),
            plan: PLAN,
            depth: limits.depth,
            allow_private: settings.guard.admits_private(),
            modified_request: !settings.endpoint_headers.is_empty(),
            nonce: base32((settings.entropy)()),
            started: settings.clock.now(),
            duration_ms: 0,
            exchanges: Vec::new(),
            stopped: Stopped::Finished,
            consent,
            own_host: settings.own_host.as_ref().map(|own| own.base.clone()),
            visits: Vec::new(),
            supplied: settings.credentials.supplied(),
            operations: settings.operations.clone(),
            obtained: Vec::new(),
        };
        if self.is_closed(target) {
            evidence.stopped = Stopped::RateLimited;
            return evidence;
        }
        let mut run = Run::new(&self.shared, target, scan);
        let Some(limits) = run.enter(&terms, limits).await else {
            evidence.stopped = run.ended().unwrap_or(Stopped::Stopped);
            evidence.duration_ms = run.elapsed_ms();
            return evidence;
        };
        if let Some(own) = &settings.own_host {
            own.host.expect(&evidence.nonce);
        }
        evidence.stopped = loop {
            let wanted = plan::wanted(&evidence, &limits);
            let asks = run.unasked(wanted.asks);
            if asks.is_empty() {
                break if wanted.rate_limited {
                    Stopped::RateLimited
                } else if wanted.over_budget {
                    Stopped::OutOfAsks
                } else {
                    Stopped::Finished
                };
            }
            run.learn(&evidence);
            let exchanges = run.round(&asks, evidence.exchanges.len()).await;
            evidence.exchanges.extend(exchanges);
            evidence.obtained = run.obtained();
            self.add_visits(&mut evidence, &run);
            if let Some(reason) = run.ended() {
                break reason;
            }
        };
        if evidence.stopped != Stopped::Finished {
            let mut asks = plan::farewell(&evidence, &limits);
            // Who wants to be left alone, or was asked enough, is asked only to forget our clients.
            let all = matches!(
                evidence.stopped,
                Stopped::Stopped | Stopped::OutOfTime | Stopped::OptedOut
            );
            asks.retain(|ask| all || ask.purpose.takes_back());
            run.learn(&evidence);
            let exchanges = run.farewell(&asks, evidence.exchanges.len()).await;
            evidence.exchanges.extend(exchanges);
        }
        self.watch_canaries(&mut evidence, &run).await;
        self.add_visits(&mut evidence, &run);
        evidence.duration_ms = run.elapsed_ms();
        evidence
    }

    /// A key URL in a forged token may be fetched some time later.
    async fn watch_canaries(&self, evidence: &mut Evidence, run: &Run<'_>) {
        let Some(own) = &self.shared.settings.own_host else {
            return;
        };
        let sent: Vec<&Exchange> = evidence
            .exchanges
            .iter()
            .filter(|exchange| {
                matches!(
                    exchange.purpose,
                    Purpose::ForgedToken(Forgery::Jku | Forgery::X5u)
                ) && exchange.got.is_ok()
            })
            .collect();
        let Some(last) = sent.iter().map(|exchange| exchange.after_ms).max() else {
            return;
        };
        let names: Vec<String> = sent
            .iter()
            .map(|exchange| exchange.purpose.name())
            .collect();
        let until = run.began()
            + Duration::from_millis(u64::from(last))
            + self.shared.settings.timeouts.canary;
        run.watch(until, || {
            let visits = own.host.visits(&evidence.nonce, run.began());
            names
                .iter()
                .all(|name| visits.iter().any(|visit| visit.what == *name))
        })
        .await;
        if evidence.stopped == Stopped::Finished
            && let Some(reason) = run.ended()
        {
            evidence.stopped = reason;
        }
    }

    /// Takes over what reached our own host so far.
    fn add_visits(&self, evidence: &mut Evidence, run: &Run<'_>) {
        if let Some(own) = &self.shared.settings.own_host {
            evidence.visits = own.host.visits(&evidence.nonce, run.began());
        }
    }

    /// Whether the endpoint's host asked, in an earlier scan, to be left alone for longer
    /// than a request waits.
    fn is_closed(&self, target: &Target) -> bool {
        let pace = &self.shared.settings.pace;
        Url::parse(&target.url)
            .ok()
            .and_then(|url| doors::host_and_port(&url))
            .and_then(|(host, _)| pace.closed_for(host.trim_end_matches('.')))
            .is_some_and(|left| left > pace.patience())
    }
}

impl Scan for NetScanner {
    async fn scan(&self, target: &Target, scan_id: &str) -> Evidence {
        let span = tracing::info_span!("scan", host = %target.host(), scan = scan_id);
        self.follow_plan(target, scan_id).instrument(span).await
    }
}

impl Shared {
    async fn new(settings: Settings) -> Result<Self, NetError> {
        let hard = settings.hard;
        let settings = settings.within(hard);
        let trust = Trust::new(
            &settings.extra_roots,
            std::sync::Arc::clone(&settings.clock),
        )?;
        let names = Names::new(&settings.nameservers, settings.guard.admits_private())?;
        let proxy = match &settings.proxy {
            None => None,
            Some(_) if !settings.connect_to.is_empty() => return Err(NetError::ProxyWithConnectTo),
            Some(url) => Some(Proxy::new(url, &names).await?),
        };
        Ok(Self {
            trust,
            names,
            proxy,
            documents: SharedDocuments::new(
                settings.share_documents,
                settings.shelf.clone(),
                std::sync::Arc::clone(&settings.clock),
            ),
            settings,
        })
    }
}

impl Proxy {
    async fn new(text: &str, names: &Names) -> Result<Self, NetError> {
        // The proxy resolves names: a resolver of ours would know none but the proxy's own.
        let text = text.replacen("socks5://", "socks5h://", 1);
        let fault = |what: &str| NetError::Proxy(what.to_owned());
        let url = Url::parse(&text).map_err(|fault| NetError::Proxy(fault.to_string()))?;
        let (host, port) = doors::host_and_port(&url)
            .or_else(|| Some((url.host_str()?.to_owned(), url.port().unwrap_or(1080))))
            .ok_or_else(|| fault("it has no host"))?;
        let addresses = match host.parse() {
            Ok(address) => vec![address],
            Err(_) => names
                .addresses(&host)
                .await
                .map_err(|_| fault("its name does not resolve"))?,
        };
        Ok(Self {
            rule: reqwest::Proxy::all(url).map_err(|_| fault("its kind is not known"))?,
            host,
            addresses: addresses
                .into_iter()
                .map(|address| SocketAddr::new(address, port))
                .collect(),
        })
    }
}

/// The monotonic clock, for durations and waiting.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "durations are measured in this module only"
)]
pub fn instant() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

/// 26 characters of lower-case base 32 (RFC 4648 section 6, without padding).
fn base32(bytes: [u8; 16]) -> String {
    const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let bits = u128::from_be_bytes(bytes);
    (0..26u32)
        .map(|place| {
            let shift = 123 - 5 * i64::from(place);
            let digit = if shift >= 0 {
                bits >> shift
            } else {
                bits << -shift
            };
            char::from(DIGITS[usize::try_from(digit & 31).unwrap_or_default()])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::base32;

    #[test]
    fn nonces_are_rfc_4648_in_lower_case() {
        assert_eq!(base32([0; 16]), "a".repeat(26));
        assert_eq!(base32([0xff; 16]), format!("{}4", "7".repeat(25)));
        assert_eq!(base32(*b"foobarfoobarfoob"), "mzxw6ytbojtg633cmfzgm33pmi");
    }
}
