//! Documents of authorization servers and handshakes with their hosts, made once and shared by
//! the scans of all servers that use them: half of the servers we know share their issuer with others.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::evidence::{Exchange, Purpose, Response};
use crate::plan::{Ask, host_of};
use crate::time::Millis;

/// Documents remembered at a time.
const MOST: usize = 4096;

pub(super) struct SharedDocuments {
    lifetime_ms: i64,
    known: Mutex<HashMap<String, (Millis, Exchange)>>,
}

impl SharedDocuments {
    pub(super) fn new(lifetime: Duration) -> Self {
        Self {
            lifetime_ms: i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX),
            known: Mutex::default(),
        }
    }

    /// The answer to this question, if another scan got it not long ago.
    pub(super) fn answer(&self, ask: &Ask, endpoint: &str, now: Millis) -> Option<Exchange> {
        if !self.shares(ask.purpose, &ask.url, endpoint) {
            return None;
        }
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, exchange) = known.get(&key(ask.purpose, &ask.url))?;
        if now.since(*at) >= self.lifetime_ms {
            return None;
        }
        Some(Exchange {
            purpose: ask.purpose,
            follows: None,
            shared: Some(*at),
            ..exchange.clone()
        })
    }

    /// Remembers a document that was found.
    pub(super) fn learn(&self, exchange: &Exchange, endpoint: &str, now: Millis) {
        let handshake = matches!(exchange.purpose, Purpose::Handshake(_));
        let found =
            |response: &Response| handshake || (response.status == 200 && !response.body.truncated);
        if !exchange.got.as_ref().is_ok_and(found)
            || exchange.follows.is_some()
            || exchange.shared.is_some()
            || !self.shares(exchange.purpose, &exchange.asked.url, endpoint)
        {
            return;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.retain(|_, (at, _)| now.since(*at) < self.lifetime_ms);
        }
        if known.len() < MOST {
            known.insert(
                key(exchange.purpose, &exchange.asked.url),
                (now, exchange.clone()),
            );
        }
    }

    /// Only plain reads from, and handshakes with, hosts that are not the scanned one.
    fn shares(&self, purpose: Purpose, url: &str, endpoint: &str) -> bool {
        let document = matches!(
            purpose,
            Purpose::AsMetadata(..) | Purpose::Jwks(_) | Purpose::PrmJwks | Purpose::Handshake(_)
        );
        self.lifetime_ms > 0 && document && host_of(url) != host_of(endpoint)
    }
}

/// A document is known by its URL, whatever it was wanted for; a handshake also by its offer.
fn key(purpose: Purpose, url: &str) -> String {
    match purpose {
        Purpose::Handshake(_) => format!("{} {url}", purpose.name()),
        _ => url.to_owned(),
    }
}
