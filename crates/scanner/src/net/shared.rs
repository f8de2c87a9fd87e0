//! Documents of authorization servers and handshakes with their hosts, made once and shared by
//! the scans of all servers that use them: half of the servers we know share their issuer with others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::evidence::{Exchange, Purpose, Response};
use crate::plan::{Ask, host_of};
use crate::shelf::{Shelf, Shelved};
use crate::time::{Clock, Millis};

/// Documents remembered at a time.
const MOST: usize = 4096;
/// A fetch that takes longer is left to somebody else.
const FETCHING: i64 = 90_000;
/// Between two looks for what somebody else fetches, at first and at most.
const LOOK: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));

pub(super) struct SharedDocuments {
    lifetime_ms: i64,
    known: Mutex<HashMap<String, (Millis, Exchange)>>,
    /// What is being fetched by this process, if there is no shelf that knows.
    fetching: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    shelf: Option<Arc<dyn Shelf>>,
    clock: Arc<dyn Clock>,
}

/// What a scan is to do about a question.
pub(super) enum Sharing<'d> {
    /// Nothing is shared: ask.
    Own,
    /// Somebody else's answer.
    Known(Box<Exchange>),
    /// Ask, and say here what came of it.
    Fetch(Fetching<'d>),
}

/// A fetch for everybody. Dropped without an answer, somebody else tries.
pub(super) struct Fetching<'d> {
    documents: &'d SharedDocuments,
    name: Option<String>,
    _alone: Option<tokio::sync::OwnedMutexGuard<()>>,
}

impl SharedDocuments {
    pub(super) fn new(
        lifetime: Duration,
        shelf: Option<Arc<dyn Shelf>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            lifetime_ms: i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX),
            known: Mutex::default(),
            fetching: Mutex::default(),
            shelf,
            clock,
        }
    }

    /// The answer to this question, if another scan got it not long ago; waits for one that is
    /// being fetched.
    pub(super) async fn answer(&self, ask: &Ask, endpoint: &str) -> Sharing<'_> {
        if ask.follows.is_some() && !matches!(ask.purpose, Purpose::Handshake(_))
            || !self.shares(ask.purpose, &ask.url, endpoint)
        {
            return Sharing::Own;
        }
        let name = key(ask.purpose, &ask.url);
        if let Some(known) = self.known(&name, ask) {
            return known;
        }
        let Some(shelf) = &self.shelf else {
            let one = {
                let mut fetching = lock(&self.fetching);
                if fetching.len() > MOST {
                    fetching.retain(|_, one| Arc::strong_count(one) > 1);
                }
                Arc::clone(fetching.entry(name.clone()).or_default())
            };
            let alone = one.lock_owned().await;
            return self.known(&name, ask).unwrap_or(Sharing::Fetch(Fetching {
                documents: self,
                name: Some(name),
                _alone: Some(alone),
            }));
        };
        let mut pause = LOOK.0;
        loop {
            let now = self.clock.now();
            let not_before = now.plus(-self.lifetime_ms);
            match shelf.take(&name, not_before, now, now.plus(FETCHING)).await {
                Shelved::Found { at, bytes } => {
                    let Ok(exchange) = serde_json::from_slice::<Exchange>(&bytes) else {
                        // Of another version: this scan asks for itself.
                        return Sharing::Own;
                    };
                    self.remember(&name, at, &exchange);
                    return as_shared(&exchange, at, ask);
                }
                Shelved::Fetch => {
                    return Sharing::Fetch(Fetching {
                        documents: self,
                        name: Some(name),
                        _alone: None,
                    });
                }
                Shelved::Wait => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LOOK.1);
                }
            }
        }
    }

    fn known(&self, name: &str, ask: &Ask) -> Option<Sharing<'_>> {
        let known = lock(&self.known);
        let (at, exchange) = known.get(name)?;
        (self.clock.now().since(*at) < self.lifetime_ms).then(|| as_shared(exchange, *at, ask))
    }

    fn remember(&self, name: &str, at: Millis, exchange: &Exchange) {
        let mut known = lock(&self.known);
        if known.len() >= MOST {
            let now = self.clock.now();
            known.retain(|_, (at, _)| now.since(*at) < self.lifetime_ms);
        }
        if known.len() < MOST {
            known.insert(name.to_owned(), (at, exchange.clone()));
        }
    }

    /// Only plain reads from, and handshakes with, hosts that are not the scanned one.
    fn shares(&self, purpose: Purpose, url: &str, endpoint: &str) -> bool {
        let document = matches!(
            purpose,
            Purpose::AsMetadata(..)
                | Purpose::Jwks(_)
                | Purpose::PrmJwks
                | Purpose::CorsAsMetadata
                | Purpose::CorsJwks
                | Purpose::Handshake(_)
        );
        self.lifetime_ms > 0 && document && host_of(url) != host_of(endpoint)
    }
}

impl Fetching<'_> {
    /// Shares an answer that is one: what may come out otherwise a moment later is not kept.
    pub(super) async fn got(mut self, exchange: &Exchange) {
        let Some(name) = self.name.take() else { return };
        let at = self.documents.clock.now();
        let lasts = lasts(exchange);
        if lasts {
            self.documents.remember(&name, at, exchange);
        }
        if let Some(shelf) = &self.documents.shelf {
            let bytes = lasts.then(|| serde_json::to_vec(exchange).ok()).flatten();
            shelf.put(&name, at, bytes).await;
        }
    }
}

impl Drop for Fetching<'_> {
    fn drop(&mut self) {
        // The scan was ended in the middle.
        if let (Some(name), Some(shelf)) = (self.name.take(), self.documents.shelf.clone())
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let at = self.documents.clock.now();
            runtime.spawn(async move { shelf.put(&name, at, None).await });
        }
    }
}

/// Whether an answer says something that another asker would be told, too: a document, or that
/// there is none. A refusal, a fault and a limit are of the moment.
fn lasts(exchange: &Exchange) -> bool {
    let handshake = matches!(exchange.purpose, Purpose::Handshake(_));
    let settled = |response: &Response| {
        let status = matches!(
            response.status,
            200..=299 | 301 | 302 | 307 | 308 | 400 | 404 | 405 | 410
        );
        handshake || (status && !response.body.truncated)
    };
    exchange.got.as_ref().is_ok_and(settled)
}

fn as_shared<'d>(exchange: &Exchange, at: Millis, ask: &Ask) -> Sharing<'d> {
    Sharing::Known(Box::new(Exchange {
        purpose: ask.purpose,
        follows: None,
        shared: Some(at),
        ..exchange.clone()
    }))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A document is known by its URL, whatever it was wanted for; a handshake also by its offer, and
/// what was asked as a client in a browser also by that.
fn key(purpose: Purpose, url: &str) -> String {
    match purpose {
        Purpose::Handshake(_) | Purpose::CorsAsMetadata | Purpose::CorsJwks => {
            format!("{} {url}", purpose.name())
        }
        _ => url.to_owned(),
    }
}
