//! What was seen of TLS, host by host: a certificate belongs to a host, not to one request.

use url::Url;

use super::Facts;
use super::plain::Plain;
use crate::evidence::{Exchange, ExchangeId, Failure, Hello, Offer, Phase, Purpose, TlsSeen};

/// A host that was asked over https.
#[derive(Debug, Clone)]
pub struct SecureHost<'e> {
    /// Host, with the port if it is not 443.
    pub name: String,
    /// Handshakes that completed, in order, with the exchange that made each.
    pub seen: Vec<(ExchangeId, &'e TlsSeen)>,
    /// The first exchange in which none completed: connection refused or cut off, no answer
    /// to the handshake, or an alert. A name that does not resolve was never contacted.
    pub incomplete: Option<ExchangeId>,
    /// What came back to the hellos that were made by hand \[X21\].
    pub hellos: Vec<(ExchangeId, Offer, Hello)>,
}

impl SecureHost<'_> {
    /// The last answer to an offer.
    #[must_use]
    pub fn hello(&self, offer: Offer) -> Option<(ExchangeId, Hello)> {
        self.hellos
            .iter()
            .rev()
            .find(|(_, offered, _)| *offered == offer)
            .map(|(id, _, hello)| (*id, *hello))
    }

    /// Whether TLS 1.3 was negotiated in an ordinary handshake or chosen in one that offered
    /// nothing else.
    #[must_use]
    pub fn has_tls13(&self) -> bool {
        self.seen.iter().any(|(_, tls)| tls.version == "1.3")
            || matches!(
                self.hello(Offer::Tls13),
                Some((
                    _,
                    Hello::Chosen {
                        version: 0x0304,
                        ..
                    }
                ))
            )
    }
}

/// Every host of the deployment that was contacted over https, in order of first contact;
/// those that were only greeted with a handshake last.
#[must_use]
pub fn secure<'e>(facts: &Facts<'e>) -> Vec<SecureHost<'e>> {
    let mut hosts: Vec<SecureHost<'e>> = Vec::new();
    for answer in facts.plain_answers() {
        // A host that only `resource` names is no part of the deployment until shown to be one.
        if !matches!(
            answer.exchange.purpose,
            Purpose::AliasPrm(_) | Purpose::AliasEndpoint
        ) {
            note(&mut hosts, answer.exchange);
        }
    }
    for exchange in &facts.evidence.exchanges {
        let Purpose::Handshake(offer) = exchange.purpose else {
            continue;
        };
        if offer == Offer::Ordinary {
            note(&mut hosts, exchange);
        } else if let Some(name) = https_host(&exchange.asked.url)
            && let Ok(response) = &exchange.got
            && let Some(hello) = response.hello
        {
            host(&mut hosts, name)
                .hellos
                .push((exchange.id, offer, hello));
        }
    }
    hosts
}

/// Adds what one exchange says of TLS, if it says anything.
fn note<'e>(hosts: &mut Vec<SecureHost<'e>>, exchange: &'e Exchange) {
    let Some(name) = https_host(&exchange.asked.url) else {
        return;
    };
    let tls = exchange
        .got
        .as_ref()
        .ok()
        .and_then(|response| response.tls.as_ref());
    let incomplete = exchange.got.as_ref().err().is_some_and(no_handshake);
    if tls.is_none() && !incomplete {
        return;
    }
    let host = host(hosts, name);
    host.seen.extend(tls.map(|tls| (exchange.id, tls)));
    if incomplete {
        host.incomplete.get_or_insert(exchange.id);
    }
}

fn host<'h, 'e>(hosts: &'h mut Vec<SecureHost<'e>>, name: String) -> &'h mut SecureHost<'e> {
    let position = hosts
        .iter()
        .position(|host| host.name == name)
        .unwrap_or_else(|| {
            hosts.push(SecureHost {
                name,
                seen: Vec::new(),
                incomplete: None,
                hellos: Vec::new(),
            });
            hosts.len() - 1
        });
    &mut hosts[position]
}

/// The host of an https URL, with the port if it is not 443.
pub(crate) fn https_host(url: &str) -> Option<String> {
    if let Some(plain) = Plain::of(url) {
        return plain.secure.then(|| match plain.port {
            Some(port) => format!("{}:{port}", plain.host),
            None => plain.host.to_owned(),
        });
    }
    let url = Url::parse(url).ok()?;
    if url.scheme() != "https" {
        return None;
    }
    let host = url.host_str()?;
    Some(match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

fn no_handshake(failure: &Failure) -> bool {
    match failure {
        Failure::Tls(_)
        | Failure::Refused
        | Failure::Unreachable
        | Failure::Reset
        | Failure::Timeout(Phase::Connect) => true,
        Failure::Dns(_) | Failure::Blocked(_) | Failure::Timeout(_) | Failure::Protocol(_) => false,
    }
}
