//! Everything a scanner is told from outside: who it says it is, how long it waits, how
//! much it reads, whom it may contact. Numbers default to the scan policy.

use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::NetError;
use super::courtesy::Courtesy;
use super::guard::Guard;
use super::own::{Browser, Credentials, OwnHosting};
use super::pace::{Pace, Rates};
use crate::evidence::{Consent, Exchange, Operations};
use crate::halt::Halts;
use crate::hard::Hard;
use crate::identity;
use crate::plan::Limits;
use crate::shelf::Shelf;
use crate::time::Clock;

/// A source of 16 random bytes.
pub type Entropy = Arc<dyn Fn() -> [u8; 16] + Send + Sync>;

/// Hears of every exchange as soon as it is recorded.
pub type Observer = Arc<dyn Fn(&Exchange) + Send + Sync>;

/// What a [`super::NetScanner`] is made from.
#[derive(Clone)]
pub struct Settings {
    /// Who we say we are.
    pub identity: Identity,
    /// How long is waited.
    pub timeouts: Timeouts,
    /// How much is read.
    pub caps: Caps,
    /// When a failed exchange is repeated.
    pub retries: Retries,
    /// PEM certificates that are trusted besides the public roots.
    pub extra_roots: Vec<u8>,
    /// Names that connect elsewhere; the first rule that fits counts.
    pub connect_to: Vec<ConnectTo>,
    /// `http://`, `https://` or `socks5h://` URL that all connections go through. The proxy
    /// resolves names, so the guard then sees names and literals only.
    pub proxy: Option<String>,
    /// Headers for the endpoint's own origin.
    pub endpoint_headers: Vec<EndpointHeader>,
    /// Which addresses may be contacted.
    pub guard: Guard,
    /// Name servers; the system's configuration if empty.
    pub nameservers: Vec<SocketAddr>,
    /// How often hosts are asked; shared by all scanners of a process.
    pub pace: Arc<Pace>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness for the probe values of each scan.
    pub entropy: Entropy,
    /// What a scan may send.
    pub limits: Limits,
    /// Documents of authorization servers are fetched once in this time and shared by all
    /// scans; zero: every scan fetches its own.
    pub share_documents: Duration,
    /// Where such documents are shared with other processes.
    pub shelf: Option<Arc<dyn Shelf>>,
    /// Hears of every exchange.
    pub observer: Option<Observer>,
    /// Turns true when scans must end.
    pub stop: Option<watch::Receiver<bool>>,
    /// What a person stopped. A scan that asks any of it ends as stopped.
    pub halts: Option<watch::Receiver<Arc<Halts>>>,
    /// Who allowed depth consented or deeper.
    pub consent: Option<Consent>,
    /// A host of our own that scanned servers can reach.
    pub own_host: Option<OwnHosting>,
    /// What the owner supplied.
    pub credentials: Credentials,
    /// What the owner named to be tried with it.
    pub operations: Operations,
    /// Opens an authorization request for the owner.
    pub browser: Option<Arc<dyn Browser>>,
    /// Who remembers what hosts said of being asked; without it nothing is heard beforehand.
    pub courtesy: Option<Arc<dyn Courtesy>>,
    /// What none of the numbers above exceeds; see [`Settings::within`].
    pub hard: Hard,
}

impl Settings {
    /// The scan policy for public servers. `entropy` must be unpredictable to the servers
    /// that are scanned.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, entropy: Entropy) -> Self {
        Self {
            identity: Identity::default(),
            timeouts: Timeouts::default(),
            caps: Caps::default(),
            retries: Retries::default(),
            extra_roots: Vec::new(),
            connect_to: Vec::new(),
            proxy: None,
            endpoint_headers: Vec::new(),
            guard: Guard::public(),
            nameservers: Vec::new(),
            pace: Arc::new(Pace::new(Rates::default())),
            clock,
            entropy,
            limits: Limits::default(),
            share_documents: Duration::ZERO,
            shelf: None,
            observer: None,
            stop: None,
            halts: None,
            consent: None,
            own_host: None,
            credentials: Credentials::default(),
            operations: Operations::default(),
            browser: None,
            courtesy: None,
            hard: Hard::PRIVATE,
        }
    }

    /// The same with every number within the hard limits. A scanner does this by itself; the
    /// pace was made before, by [`Rates::within`].
    #[must_use]
    pub fn within(mut self, hard: Hard) -> Self {
        self.hard = hard;
        let (times, caps, limits) = (&mut self.timeouts, &mut self.caps, &mut self.limits);
        times.connect = Hard::seconds(times.connect, hard.connect_seconds);
        times.first_byte = Hard::seconds(times.first_byte, hard.first_byte_seconds);
        times.total = Hard::seconds(times.total, hard.request_seconds);
        times.stream = Hard::seconds(times.stream, hard.sse_seconds);
        times.idle_stream = Hard::seconds(times.idle_stream, hard.idle_stream_seconds);
        times.scan = Hard::seconds(times.scan, hard.scan_seconds);
        caps.document = Hard::bytes(caps.document, hard.body_bytes);
        caps.html = Hard::bytes(caps.html, hard.html_bytes);
        caps.stream = Hard::bytes(caps.stream, hard.sse_bytes);
        caps.idle_stream = Hard::bytes(caps.idle_stream, IDLE_STREAM);
        caps.header_bytes = Hard::bytes(caps.header_bytes, hard.header_bytes);
        caps.headers = Hard::bytes(caps.headers, hard.headers);
        limits.endpoint_requests = limits.endpoint_requests.min(hard.endpoint_requests);
        limits.as_requests = limits.as_requests.min(hard.as_requests);
        limits.consented_requests = limits.consented_requests.min(hard.consented_requests);
        limits.redirect_hops = limits.redirect_hops.min(hard.redirect_hops);
        let retries = Hard::bytes(usize::MAX, hard.retries);
        self.retries.public.truncate(retries);
        self.retries.private.truncate(retries);
        self
    }
}

/// Bytes read of a stream that never ends, whatever the installation.
const IDLE_STREAM: u32 = 8 * 1024;

/// Who we say we are.
#[derive(Debug, Clone, Default)]
pub struct Identity {
    /// URL that explains what we do, for `User-Agent`.
    pub url: Option<String>,
    /// Mail address, for `From`.
    pub contact: Option<String>,
}

impl Identity {
    /// `authdex/VERSION (+URL; scan=SCAN)`, without the parts that are not known.
    #[must_use]
    pub fn user_agent(&self, scan: Option<&str>) -> String {
        identity::user_agent(self.url.as_deref(), scan)
    }
}

/// How long is waited.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// For one query to the resolver, TCP and TLS.
    pub connect: Duration,
    /// For the head of the response, connecting included.
    pub first_byte: Duration,
    /// For the whole response.
    pub total: Duration,
    /// For the answer in an event stream, after its head.
    pub stream: Duration,
    /// For the head and then for the beginning of a stream that never ends.
    pub idle_stream: Duration,
    /// For a whole scan.
    pub scan: Duration,
    /// For a fetch of a key URL that stood in a forged token (exchange Y7).
    pub canary: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_secs(20),
            total: Duration::from_secs(30),
            stream: Duration::from_secs(15),
            idle_stream: Duration::from_secs(5),
            scan: Duration::from_secs(180),
            canary: Duration::from_secs(60),
        }
    }
}

/// How much is read, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Caps {
    /// Bodies, except those below.
    pub document: usize,
    /// HTML pages.
    pub html: usize,
    /// Event streams that hold an answer.
    pub stream: usize,
    /// Beginnings of streams that never end.
    pub idle_stream: usize,
    /// Names and values of all response headers.
    pub header_bytes: usize,
    /// Lines of response headers.
    pub headers: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            document: 256 * 1024,
            html: 8 * 1024,
            stream: 256 * 1024,
            idle_stream: 8 * 1024,
            header_bytes: 32 * 1024,
            headers: 200,
        }
    }
}

/// When a failed exchange is repeated, and how often: one entry for each repetition.
#[derive(Debug, Clone)]
pub struct Retries {
    /// Waits before repetitions to public hosts.
    pub public: Vec<Duration>,
    /// Waits before repetitions to private and loopback hosts.
    pub private: Vec<Duration>,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            public: vec![Duration::from_secs(5), Duration::from_secs(30)],
            private: vec![Duration::from_millis(250), Duration::from_secs(1)],
        }
    }
}

impl Retries {
    /// Nothing is repeated.
    #[must_use]
    pub fn none() -> Self {
        Self {
            public: Vec::new(),
            private: Vec::new(),
        }
    }
}

/// A rule of curl's `--connect-to`: requests for one host and port connect to another;
/// TLS, `Host` and everything recorded keep the name that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectTo {
    /// Host that the rule is for; `None` fits every host.
    pub host: Option<String>,
    /// Port that the rule is for; `None` fits every port.
    pub port: Option<u16>,
    /// Host to connect to; `None` keeps it.
    pub to_host: Option<String>,
    /// Port to connect to; `None` keeps it.
    pub to_port: Option<u16>,
}

impl ConnectTo {
    /// Whether the rule is for this host (in lower case, IPv6 without brackets) and port.
    #[must_use]
    pub fn fits(&self, host: &str, port: u16) -> bool {
        self.host
            .as_deref()
            .is_none_or(|own| own.eq_ignore_ascii_case(host))
            && self.port.is_none_or(|own| own == port)
    }
}

impl FromStr for ConnectTo {
    type Err = NetError;

    /// Reads `HOST1:PORT1:HOST2:PORT2`; parts may be empty, IPv6 addresses stand in
    /// brackets.
    fn from_str(text: &str) -> Result<Self, NetError> {
        let fault = || NetError::ConnectTo(text.to_owned());
        let mut parts = Vec::new();
        let mut rest = text;
        loop {
            let (part, after) = match rest.strip_prefix('[') {
                Some(inner) => inner.split_once(']').ok_or_else(fault)?,
                None => match rest.find(':') {
                    Some(at) => rest.split_at(at),
                    None => (rest, ""),
                },
            };
            parts.push(part);
            match after.strip_prefix(':') {
                Some(more) => rest = more,
                None if after.is_empty() => break,
                None => return Err(fault()),
            }
        }
        let [host, port, to_host, to_port] = parts[..] else {
            return Err(fault());
        };
        let name = |part: &str| (!part.is_empty()).then(|| part.to_ascii_lowercase());
        let number = |part: &str| match part {
            "" => Ok(None),
            part => part.parse().map(Some).map_err(|_| fault()),
        };
        Ok(Self {
            host: name(host),
            port: number(port)?,
            to_host: name(to_host),
            to_port: number(to_port)?,
        })
    }
}

/// A header that the person who runs the scan wants sent to the endpoint. Its value is
/// never shown and never recorded.
#[derive(Clone)]
pub struct EndpointHeader {
    name: reqwest::header::HeaderName,
    value: reqwest::header::HeaderValue,
}

impl std::fmt::Debug for EndpointHeader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: ***", self.name)
    }
}

impl EndpointHeader {
    /// A header.
    ///
    /// # Errors
    ///
    /// If name or value are not legal in HTTP. The error does not hold the value.
    pub fn new(name: &str, value: &str) -> Result<Self, NetError> {
        let fault = |what| NetError::EndpointHeader {
            name: name.escape_debug().to_string(),
            what,
        };
        Ok(Self {
            name: name.parse().map_err(|_| fault("name"))?,
            value: value.parse().map_err(|_| fault("value"))?,
        })
    }

    pub(super) fn name(&self) -> &reqwest::header::HeaderName {
        &self.name
    }

    pub(super) fn value(&self) -> &reqwest::header::HeaderValue {
        &self.value
    }
}

#[cfg(test)]
mod tests {
    use super::{ConnectTo, EndpointHeader, Identity};

    #[test]
    fn connect_to_reads_the_form_of_curl() {
        let rule: ConnectTo = "mcp.example:443:127.0.0.1:9443".parse().unwrap();
        assert!(rule.fits("mcp.example", 443));
        assert!(!rule.fits("mcp.example", 8443));
        assert_eq!(rule.to_host.as_deref(), Some("127.0.0.1"));
        assert_eq!(rule.to_port, Some(9443));
        let any: ConnectTo = "::[::1]:9443".parse().unwrap();
        assert!(any.fits("anything", 1));
        assert_eq!(any.to_host.as_deref(), Some("::1"));
        for bad in [
            "",
            "a:1:b",
            "a:1:b:2:c",
            "a:x:b:1",
            "[::1:1:b:2",
            "[::1]x:1:b:2",
        ] {
            assert!(bad.parse::<ConnectTo>().is_err(), "{bad}");
        }
    }

    #[test]
    fn no_number_of_a_scanner_exceeds_its_hard_limit() {
        use super::super::pace::Rates;
        use crate::hard::Hard;
        use crate::time::{FixedClock, Millis};
        use std::sync::Arc;
        use std::time::Duration;

        let mut settings =
            super::Settings::new(Arc::new(FixedClock::new(Millis(0))), Arc::new(|| [0; 16]));
        let long = Duration::from_secs(100_000);
        settings.timeouts = super::Timeouts {
            connect: long,
            first_byte: long,
            total: long,
            stream: long,
            idle_stream: long,
            scan: long,
            canary: long,
        };
        settings.caps = super::Caps {
            document: usize::MAX,
            html: usize::MAX,
            stream: usize::MAX,
            idle_stream: usize::MAX,
            header_bytes: usize::MAX,
            headers: usize::MAX,
        };
        settings.limits.endpoint_requests = u32::MAX;
        settings.limits.as_requests = u32::MAX;
        settings.limits.consented_requests = u32::MAX;
        settings.limits.redirect_hops = u32::MAX;
        settings.retries.public = vec![long; 9];
        settings.retries.private = vec![long; 9];
        let settings = settings.within(Hard::PUBLIC);
        assert_eq!(settings.timeouts.connect, Duration::from_secs(5));
        assert_eq!(settings.timeouts.first_byte, Duration::from_secs(20));
        assert_eq!(settings.timeouts.total, Duration::from_secs(30));
        assert_eq!(settings.timeouts.stream, Duration::from_secs(15));
        assert_eq!(settings.timeouts.idle_stream, Duration::from_secs(5));
        assert_eq!(settings.timeouts.scan, Duration::from_secs(300));
        assert_eq!(settings.caps.document, 262_144);
        assert_eq!(settings.caps.html, 8192);
        assert_eq!(settings.caps.stream, 262_144);
        assert_eq!(settings.caps.idle_stream, 8192);
        assert_eq!(settings.caps.header_bytes, 32_768);
        assert_eq!(settings.caps.headers, 200);
        let limits = settings.limits;
        assert_eq!(
            (
                limits.endpoint_requests,
                limits.as_requests,
                limits.consented_requests
            ),
            (45, 12, 80)
        );
        assert_eq!(limits.redirect_hops, 3);
        assert_eq!(
            (
                settings.retries.public.len(),
                settings.retries.private.len()
            ),
            (2, 2)
        );
        let rates = Rates {
            public: Duration::ZERO,
            global_per_second: None,
            per_host: 99,
            per_site: 99,
            ..Rates::default()
        }
        .within(Hard::PUBLIC);
        assert_eq!(rates.public, Duration::from_secs(1));
        assert_eq!(rates.global_per_second.map(u32::from), Some(50));
        assert_eq!((rates.per_host, rates.per_site), (1, 2));
    }

    #[test]
    fn endpoint_headers_hide_their_value() {
        let header = EndpointHeader::new("X-Api-Key", "canary-1").unwrap();
        assert_eq!(format!("{header:?}"), "x-api-key: ***");
        let fault = EndpointHeader::new("X-Api-Key", "canary-1\n").unwrap_err();
        assert!(!fault.to_string().contains("canary"));
    }

    #[test]
    fn user_agent_names_url_and_scan() {
        let identity = Identity {
            url: Some("https://a.example/policy".into()),
            contact: None,
        };
        let agent = identity.user_agent(Some("scn_1"));
        assert!(agent.starts_with("authdex/"));
        assert!(agent.ends_with(" (+https://a.example/policy; scan=scn_1)"));
        assert!(!Identity::default().user_agent(None).contains('('));
    }
}
