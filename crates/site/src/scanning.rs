//! From settings to a scanner: the one place of the site that knows how `net` is built.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use ipnet::IpNet;
use scanner::evidence::{Consent, Depth};
use scanner::halt::Halts;
use scanner::hard::Hard;
use scanner::net::{ConnectTo, Guard, Identity, Pace, Rates, Retries, Settings as NetSettings};
use scanner::time::{Clock as _, SystemClock};
use tokio::sync::watch;

use crate::config::{Mode, ScanDepth, Settings};

/// Sixteen random bytes, for probe values and ids.
#[must_use]
pub fn entropy() -> [u8; 16] {
    *uuid::Uuid::new_v4().as_bytes()
}

/// Reads a PEM file of certificate authorities.
///
/// # Errors
///
/// If the file cannot be read; its content is checked by the scanner.
pub fn ca_bundle(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("--ca-bundle {}", path.display()))
}

/// Reads connect-to rules.
///
/// # Errors
///
/// If a rule is not of curl's form.
pub fn connect_to(rules: &[String]) -> anyhow::Result<Vec<ConnectTo>> {
    rules
        .iter()
        .map(|rule| rule.parse::<ConnectTo>().map_err(anyhow::Error::from))
        .collect()
}

/// Reads addresses and networks.
///
/// # Errors
///
/// If one is neither.
pub fn networks(list: &[String]) -> anyhow::Result<Vec<IpNet>> {
    list.iter()
        .map(|text| {
            text.parse::<IpNet>()
                .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from))
                .map_err(|_| anyhow::anyhow!("`{text}` is neither an address nor a network"))
        })
        .collect()
}

/// The permission of the operators of these hosts, given now; `None` without hosts.
#[must_use]
pub fn consent(hosts: &[String], basis: &str) -> Option<Consent> {
    let mut hosts: Vec<String> = hosts
        .iter()
        .map(|host| host.trim_end_matches('.').to_ascii_lowercase())
        .collect();
    hosts.sort();
    hosts.dedup();
    (!hosts.is_empty()).then(|| Consent {
        hosts,
        basis: basis.to_owned(),
        recorded: SystemClock.now(),
    })
}

/// How often hosts are asked.
fn rates(settings: &Settings) -> Rates {
    let policy = &settings.policy;
    let millis = |n: u32| Duration::from_millis(u64::from(n));
    let private = if policy.pace_private {
        policy.host_interval_ms
    } else {
        policy.private_interval_ms
    };
    Rates {
        public: millis(policy.host_interval_ms),
        private: millis(private),
        global_per_second: NonZeroU32::new(policy.global_per_second),
        per_host: 1,
        per_site: usize::try_from(policy.operator_hosts).unwrap_or(usize::MAX),
        per_address_second: NonZeroU32::new(policy.ip_per_second),
        as_per_second: NonZeroU32::new(policy.as_per_second),
        as_per_day: Some(policy.as_per_day),
        site_per_day: Some(policy.operator_per_day),
        private_as_public: policy.pace_private,
        per_site_of_all: crate::worker::limited(settings),
        hold: Rates::default().hold.min(Duration::from_millis(
            settings.schedule.lease.0.unsigned_abs(),
        )),
        ..Rates::default()
    }
}

/// The same for a process that shares its hosts, and what authorization servers answer, with
/// all others of one database, and that hears of their stops.
///
/// # Errors
///
/// As [`installed`].
pub fn shared(
    settings: &Settings,
    store: &store::Store,
    stop: watch::Receiver<bool>,
    halts: watch::Receiver<Arc<Halts>>,
    listeners: &[SocketAddr],
) -> anyhow::Result<NetSettings> {
    let mut out = installed(settings, stop, listeners)?;
    let ledger = Arc::new(store.clone());
    out.pace = Arc::new(Pace::with_ledger(
        rates(settings).within(out.hard),
        ledger.clone(),
        Arc::new(SystemClock),
    ));
    out.shelf = Some(ledger);
    out.halts = Some(halts);
    Ok(out)
}

/// What the unattended scanner of an installation is made from.
///
/// # Errors
///
/// If a rule, network or file of the configuration cannot be used.
pub fn installed(
    settings: &Settings,
    stop: watch::Receiver<bool>,
    listeners: &[SocketAddr],
) -> anyhow::Result<NetSettings> {
    let policy = &settings.policy;
    let seconds = |n: u32| Duration::from_secs(u64::from(n));
    let bytes = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
    let mut out = NetSettings::new(Arc::new(SystemClock), Arc::new(entropy));
    out.hard = match settings.instance.mode {
        Mode::Public => Hard::PUBLIC,
        Mode::Private => Hard::PRIVATE,
    };
    let public_url = settings.instance.public_url.trim_end_matches('/');
    out.identity = Identity {
        url: (!public_url.is_empty()).then(|| format!("{public_url}/policy")),
        contact: [&settings.scan.from, &settings.instance.contact]
            .into_iter()
            .find(|text| !text.is_empty())
            .cloned(),
    };
    out.timeouts.connect = seconds(policy.connect_seconds);
    out.timeouts.first_byte = seconds(policy.first_byte_seconds);
    out.timeouts.total = seconds(policy.request_seconds);
    out.timeouts.stream = seconds(policy.sse_seconds);
    out.timeouts.idle_stream = seconds(policy.idle_stream_seconds);
    out.timeouts.scan = seconds(policy.scan_seconds);
    out.caps.header_bytes = bytes(policy.header_bytes);
    out.caps.headers = bytes(policy.headers);
    out.caps.document = bytes(policy.body_bytes);
    out.caps.html = bytes(policy.html_bytes);
    out.caps.stream = bytes(policy.sse_bytes);
    out.retries = Retries {
        public: policy
            .retry_delays
            .iter()
            .map(|span| Duration::from_millis(span.0.unsigned_abs()))
            .collect(),
        ..Retries::default()
    };
    let guard = if settings.scan.allow_private {
        Guard::allow_private()
    } else {
        Guard::public()
    };
    out.guard = guard
        .admitting(networks(&settings.scan.allow_addresses).context("scan.allow_addresses")?)
        .denying(networks(&settings.scan.deny_addresses).context("scan.deny_addresses")?)
        .denying_listeners(listeners.iter().copied());
    out.pace = Arc::new(Pace::new(rates(settings).within(out.hard)));
    out.share_documents = Duration::from_millis(policy.as_cache.0.unsigned_abs());
    out.limits.depth = match settings.scan.depth {
        ScanDepth::Passive => Depth::Passive,
        ScanDepth::Standard => Depth::Standard,
        ScanDepth::Consented => Depth::Consented,
    };
    if out.limits.depth >= Depth::Consented {
        out.consent = consent(&settings.scan.owned_hosts, "configuration");
    }
    out.limits.endpoint_requests = policy.requests_per_scan_endpoint;
    out.limits.as_requests = policy.requests_per_scan_as;
    out.limits.consented_requests = policy.requests_per_scan_consented;
    out.limits.redirect_hops = policy.redirect_hops;
    if settings.scan.allow_private {
        out.limits.repeat_gap_ms = 0;
    }
    out.connect_to = connect_to(&settings.scan.connect_to).context("scan.connect_to")?;
    if !settings.scan.ca_bundle.is_empty() {
        out.extra_roots = std::fs::read(&settings.scan.ca_bundle)
            .with_context(|| format!("scan.ca_bundle {}", settings.scan.ca_bundle))?;
    }
    out.proxy = (!settings.scan.proxy.is_empty()).then(|| settings.scan.proxy.clone());
    out.stop = Some(stop);
    Ok(out)
}
