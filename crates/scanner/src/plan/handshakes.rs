//! Handshakes over which nothing is asked: with which hosts, and what they offer (catalogue
//! section 0.3, X21; at most four for each host, the one of ordinary requests included).

use url::{Host, Url};

use super::{Ask, Plan, asks, host_of};
use crate::evidence::{Hello, Offer, Purpose};
use crate::facts::hosts::{self, SecureHost};
use crate::handshake::{Strength, strength};
use crate::report::Class;
use crate::spec::Revision;

/// Members of authorization-server metadata whose hosts take part in an authorization.
const ENDPOINTS: [&str; 8] = [
    "authorization_endpoint",
    "token_endpoint",
    "registration_endpoint",
    "revocation_endpoint",
    "introspection_endpoint",
    "pushed_authorization_request_endpoint",
    "device_authorization_endpoint",
    "jwks_uri",
];

/// Hosts that are greeted though nothing is asked of them.
const MOST_FURTHER: usize = 6;

/// Requests to the endpoint's host that handshakes leave for closing what was opened.
const RESERVE: u32 = 6;

impl Plan<'_> {
    pub(super) fn handshakes(&self) -> Vec<Ask> {
        if matches!(
            self.facts.class(),
            Class::Unreachable | Class::Blocked | Class::NotMcp
        ) {
            return Vec::new();
        }
        let known = hosts::secure(&self.facts);
        let mut list = Vec::new();
        for host in known.iter().filter(|host| !host.seen.is_empty()) {
            let url = format!("https://{}/", host.name);
            let offers = offers(host);
            if self.room(&url) >= offers.len() && self.may_greet(&url) {
                list.extend(offers.into_iter().map(|offer| greet(offer, url.clone())));
            }
        }
        list.extend(
            self.further_hosts()
                .into_iter()
                .filter(|name| !known.iter().any(|host| host.name == *name))
                .map(|name| format!("https://{name}/"))
                .filter(|url| self.room(url) > 0 && self.may_greet(url))
                .map(|url| greet(Offer::Ordinary, url)),
        );
        list
    }

    /// Hosts of the endpoints that the authorization servers name.
    fn further_hosts(&self) -> Vec<String> {
        let mut names = Vec::new();
        for issuer in self.facts.issuers() {
            for candidate in self.facts.found(issuer, Revision::HEADLINE) {
                let Some(document) = candidate.asm() else {
                    continue;
                };
                for name in ENDPOINTS
                    .iter()
                    .filter_map(|member| hosts::https_host(document.text(member)?))
                {
                    if !names.contains(&name) && names.len() < MOST_FURTHER {
                        names.push(name);
                    }
                }
            }
        }
        names
    }

    /// Address literals are judged as text, except the one that was scanned.
    fn may_greet(&self, url: &str) -> bool {
        host_of(url) == host_of(&self.evidence.target.url)
            || Url::parse(url).is_ok_and(|url| matches!(url.host(), Some(Host::Domain(_))))
    }

    /// How many more requests may go to the host of this URL.
    fn room(&self, url: &str) -> usize {
        let host = host_of(url);
        let home = host == host_of(&self.evidence.target.url);
        let asked = self
            .evidence
            .exchanges
            .iter()
            .filter(|exchange| !exchange.purpose.is_deeper())
            .filter(|exchange| {
                host_of(&exchange.asked.url) == host
                    || (home && exchange.purpose == Purpose::Plaintext)
            })
            .count();
        let mut budget = self
            .limits
            .budget(Purpose::Handshake(Offer::Ordinary), home);
        if home {
            budget = budget.saturating_sub(RESERVE);
        }
        usize::try_from(budget)
            .unwrap_or(usize::MAX)
            .saturating_sub(asked)
    }
}

/// What to offer a host next. A host that takes static RSA may take worse and prefer the better
/// of the two, so the worse is then offered alone; where it does not, and only TLS 1.2 was
/// seen, TLS 1.3 is.
fn offers(host: &SecureHost<'_>) -> Vec<Offer> {
    let unasked = |offer: &Offer| host.hello(*offer).is_none();
    let first: Vec<Offer> = [Offer::Old, Offer::Weak]
        .into_iter()
        .filter(unasked)
        .collect();
    if !first.is_empty() {
        return first;
    }
    let last = match host.hello(Offer::Weak) {
        Some((_, Hello::Chosen { suite, .. })) => {
            (strength(suite) > Strength::Broken).then_some(Offer::Broken)
        }
        _ => (!host.has_tls13()).then_some(Offer::Tls13),
    };
    last.into_iter().filter(unasked).collect()
}

fn greet(offer: Offer, url: String) -> Ask {
    Ask {
        method: "TLS",
        headers: Vec::new(),
        ..asks::document(Purpose::Handshake(offer), url)
    }
}
