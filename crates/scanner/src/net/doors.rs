//! Which connection a request goes over: the guard's look at its URL, the addresses it
//! may dial, and one client for each origin of a scan.
//!
//! An origin has a client of its own because its resolver then knows exactly one name, a
//! mapped port can be dialled, and dropping the client closes its connection.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::header::HeaderValue;
use rustls::ClientConfig;
use url::{Host, Url};

use super::guard::{self, Rule};
use super::names::Pinned;
use super::pace::Place;
use super::tls::Verdicts;
use super::{NetError, Shared};
use crate::evidence::{DnsFault, Failure};

/// The way to one origin.
#[derive(Debug)]
pub(super) struct Door {
    /// Scheme, host and port.
    origin: String,
    /// Host of the URL, IPv6 without brackets.
    pub(super) host: String,
    /// Addresses that were looked at; empty behind a proxy.
    pub(super) addresses: Vec<SocketAddr>,
    /// Decides the pace.
    pub(super) place: Place,
    /// The URL's port is replaced when connecting, so it stays out of the URL that the
    /// client sees and goes into `Host`.
    pub(super) host_header: Option<HeaderValue>,
    protocol: Protocol,
    pub(super) client: reqwest::Client,
}

/// What is offered in ALPN. One request at a time goes to a host, so HTTP/2 gains nothing
/// and costs a fifth more; it is for servers that refuse HTTP/1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
}

/// All origins of one scan.
pub(super) struct Doors<'s> {
    shared: &'s Shared,
    config: ClientConfig,
    pub(super) verdicts: Arc<Verdicts>,
    /// Port of the scanned endpoint.
    listed: Option<u16>,
    open: Mutex<HashMap<String, Arc<Door>>>,
    answers: Mutex<HashMap<String, Result<Vec<IpAddr>, DnsFault>>>,
}

impl<'s> Doors<'s> {
    pub(super) fn new(shared: &'s Shared, endpoint: &str) -> Self {
        let (config, verdicts) = shared.trust.for_scan();
        Self {
            shared,
            config,
            verdicts,
            listed: Url::parse(endpoint)
                .ok()
                .and_then(|url| url.port_or_known_default()),
            open: Mutex::default(),
            answers: Mutex::default(),
        }
    }

    /// The way to a URL's origin, if the guard admits it.
    pub(super) async fn to(&self, url: &Url, plaintext: bool) -> Result<Arc<Door>, Failure> {
        self.shared
            .settings
            .guard
            .url(url, self.listed, plaintext)
            .map_err(blocked)?;
        let origin = url.origin().ascii_serialization();
        if let Some(door) = self.opened(&origin) {
            return Ok(door);
        }
        let (host, port) = host_and_port(url).ok_or_else(|| blocked(Rule::Invalid))?;
        let (addresses, moved) = self.addresses(url, &host, port).await?;
        let host_header = (moved && url.port().is_some())
            .then(|| HeaderValue::from_str(&format!("{}:{port}", url.host_str()?)).ok())
            .flatten();
        let place = if addresses
            .iter()
            .any(|address| guard::is_special(address.ip()))
        {
            Place::Private
        } else {
            Place::Public
        };
        let door = Door {
            client: self.client(&host, &addresses, Protocol::Http1)?,
            protocol: Protocol::Http1,
            origin,
            host,
            addresses,
            place,
            host_header,
        };
        Ok(self.keep(door))
    }

    /// The TLS settings of this scan, for handshakes over which nothing is asked.
    pub(super) fn tls(&self) -> ClientConfig {
        self.config.clone()
    }

    /// Where a URL's origin lives, if it was opened before.
    pub(super) fn known(&self, url: &Url) -> Option<Place> {
        Some(self.opened(&url.origin().ascii_serialization())?.place)
    }

    /// Whether the name system says anything of a host: it is a name, and its address comes from
    /// there, or the operator named the servers to ask.
    pub(super) fn has_records(&self, host: &str) -> bool {
        let settings = &self.shared.settings;
        if host.parse::<IpAddr>().is_ok() || !host.contains('.') || self.shared.proxy.is_some() {
            return false;
        }
        let mapped = settings.connect_to.iter().any(|rule| {
            rule.host
                .as_deref()
                .is_none_or(|own| own.eq_ignore_ascii_case(host))
        });
        !mapped || !settings.nameservers.is_empty()
    }

    /// Text records of a name; none if there are none, or nobody could tell.
    pub(super) async fn text_records(&self, name: &str) -> Vec<String> {
        self.shared.names.text_records(name).await
    }

    /// The same door with no connection yet.
    pub(super) fn afresh(&self, door: &Door) -> Result<Arc<Door>, Failure> {
        self.rebuilt(door, door.protocol)
    }

    /// The same door for a server that wants HTTP/2; `None` if that was tried.
    pub(super) fn over_http2(&self, door: &Door) -> Option<Arc<Door>> {
        (door.protocol == Protocol::Http1)
            .then(|| self.rebuilt(door, Protocol::Http2).ok())
            .flatten()
    }

    fn rebuilt(&self, door: &Door, protocol: Protocol) -> Result<Arc<Door>, Failure> {
        Ok(self.keep(Door {
            client: self.client(&door.host, &door.addresses, protocol)?,
            protocol,
            origin: door.origin.clone(),
            host: door.host.clone(),
            addresses: door.addresses.clone(),
            place: door.place,
            host_header: door.host_header.clone(),
        }))
    }

    fn opened(&self, origin: &str) -> Option<Arc<Door>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.get(origin).map(Arc::clone)
    }

    fn keep(&self, door: Door) -> Arc<Door> {
        let door = Arc::new(door);
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(door.origin.clone(), Arc::clone(&door));
        door
    }

    /// The addresses to dial, and whether the port differs from the URL's.
    async fn addresses(
        &self,
        url: &Url,
        host: &str,
        port: u16,
    ) -> Result<(Vec<SocketAddr>, bool), Failure> {
        let settings = &self.shared.settings;
        let rule = settings
            .connect_to
            .iter()
            .find(|rule| rule.fits(host, port));
        let is_name = matches!(url.host(), Some(Host::Domain(_)));
        if rule.is_some() && !is_name {
            return Err(blocked(Rule::MappedLiteral));
        }
        if self.shared.proxy.is_some() {
            return Ok((Vec::new(), false));
        }
        let to_port = rule.and_then(|rule| rule.to_port).unwrap_or(port);
        let to_host = rule.and_then(|rule| rule.to_host.as_deref());
        let found = self.resolve(to_host.unwrap_or(host)).await?;
        let addresses: Vec<SocketAddr> = found
            .into_iter()
            .map(|address| SocketAddr::new(address, to_port))
            .collect();
        if to_host.is_some() {
            settings.guard.mapped(&addresses).map_err(blocked)?;
        } else {
            settings.guard.answers(&addresses).map_err(blocked)?;
        }
        Ok((addresses, to_port != port))
    }

    /// Resolves a name once for each scan; only a resolver that could not tell is asked again.
    async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, Failure> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        let known = {
            let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            answers.get(host).cloned()
        };
        let answer = match known {
            Some(answer) => answer,
            None => {
                let answer = self.shared.names.addresses(host).await;
                if answer != Err(DnsFault::Failed) {
                    self.answers
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .insert(host.to_owned(), answer.clone());
                }
                answer
            }
        };
        answer.map_err(Failure::Dns)
    }

    fn client(
        &self,
        host: &str,
        addresses: &[SocketAddr],
        protocol: Protocol,
    ) -> Result<reqwest::Client, Failure> {
        let mut config = self.config.clone();
        config.alpn_protocols = vec![match protocol {
            Protocol::Http1 => b"http/1.1".to_vec(),
            Protocol::Http2 => b"h2".to_vec(),
        }];
        client(self.shared, config, host, addresses)
            .map_err(|fault| Failure::Protocol(fault.to_string()))
    }
}

/// A client that dials these addresses only.
pub(super) fn client(
    shared: &Shared,
    config: ClientConfig,
    host: &str,
    addresses: &[SocketAddr],
) -> Result<reqwest::Client, NetError> {
    let settings = &shared.settings;
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that makes clients, behind the guard"
    )]
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(config)
        .tls_info(true)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .http1_max_headers(settings.caps.headers)
        .http2_max_header_list_size(u32::try_from(settings.caps.header_bytes).unwrap_or(u32::MAX))
        .connect_timeout(settings.timeouts.connect)
        .pool_max_idle_per_host(1)
        .pool_idle_timeout(None);
    let mut pinned = Pinned {
        host: host.to_owned(),
        addresses: addresses.to_vec(),
    };
    if let Some(proxy) = &shared.proxy {
        builder = builder.proxy(proxy.rule.clone());
        pinned = Pinned {
            host: proxy.host.clone(),
            addresses: proxy.addresses.clone(),
        };
    }
    builder
        .dns_resolver(pinned)
        .build()
        .map_err(|fault| NetError::Client(fault.to_string()))
}

/// Host (IPv6 without brackets) and port of a URL.
pub(super) fn host_and_port(url: &Url) -> Option<(String, u16)> {
    let host = match url.host()? {
        Host::Domain(name) => name.to_owned(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    };
    Some((host, url.port_or_known_default()?))
}

pub(super) fn blocked(rule: Rule) -> Failure {
    Failure::Blocked(rule.as_str().to_owned())
}
