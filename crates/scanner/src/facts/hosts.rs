//! What was seen of TLS, host by host: a certificate belongs to a host, not to one request.

use url::Url;

use super::Facts;
use crate::evidence::{ExchangeId, Failure, Phase, Purpose, TlsSeen};

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
}

/// Every host of the deployment that was contacted over https, in order of first contact.
#[must_use]
pub fn secure<'e>(facts: &Facts<'e>) -> Vec<SecureHost<'e>> {
    let mut hosts: Vec<SecureHost<'e>> = Vec::new();
    for answer in facts.plain_answers() {
        let exchange = answer.exchange;
        // A host that only `resource` names is no part of the deployment until shown to be one.
        if matches!(
            exchange.purpose,
            Purpose::AliasPrm(_) | Purpose::AliasEndpoint
        ) {
            continue;
        }
        let Some(name) = https_host(&exchange.asked.url) else {
            continue;
        };
        let tls = exchange
            .got
            .as_ref()
            .ok()
            .and_then(|response| response.tls.as_ref());
        let incomplete = exchange.got.as_ref().err().is_some_and(no_handshake);
        if tls.is_none() && !incomplete {
            continue;
        }
        let position = hosts
            .iter()
            .position(|host| host.name == name)
            .unwrap_or_else(|| {
                hosts.push(SecureHost {
                    name,
                    seen: Vec::new(),
                    incomplete: None,
                });
                hosts.len() - 1
            });
        let host = &mut hosts[position];
        host.seen.extend(tls.map(|tls| (exchange.id, tls)));
        if incomplete {
            host.incomplete.get_or_insert(exchange.id);
        }
    }
    hosts
}

/// The host of an https URL, with the port if it is not 443.
fn https_host(url: &str) -> Option<String> {
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
