//! Walking a registry of servers: page after page, so that nothing is held whole.
//!
//! The registry is a stranger like any other: the guard looks at its address, the pace
//! limits the walk, pages and their number are capped, and a cursor that comes back ends
//! it. What is in a page is read elsewhere.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, FROM, HeaderValue, RETRY_AFTER, USER_AGENT};
use serde::Deserialize;
use url::Url;

use super::doors::{Door, Doors};
use super::settings::{EndpointHeader, Settings};
use super::{NetError, Shared, retry};
use crate::evidence::Failure;
use crate::time::Millis;

/// What to walk, and how far.
#[derive(Debug, Clone)]
pub struct Registry {
    /// Base URL, for example `https://registry.example`; `/v0.1/servers` is appended.
    pub base: String,
    /// Header with an API key, for registries that want one.
    pub key: Option<EndpointHeader>,
    /// Only records that changed since then.
    pub updated_since: Option<Millis>,
    /// Where an earlier walk stopped.
    pub cursor: Option<String>,
    /// Records per page.
    pub limit: NonZeroU32,
    /// Pages after which the walk ends.
    pub most_pages: u32,
    /// Records after which the walk ends.
    pub most_records: u64,
    /// Bytes of one page; a longer one is an error.
    pub page_bytes: usize,
}

impl Registry {
    /// A full walk of a registry with the usual caps.
    #[must_use]
    pub fn new(base: impl Into<String>) -> Self {
        Self {
            base: base.into(),
            key: None,
            updated_since: None,
            cursor: None,
            limit: NonZeroU32::MIN.saturating_add(99),
            most_pages: 10_000,
            most_records: 1_000_000,
            page_bytes: 8 * 1024 * 1024,
        }
    }
}

/// One page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The page as received, JSON.
    pub text: String,
    /// Records in it.
    pub records: u64,
    /// Where the walk can be taken up after this page; `None` at the end.
    pub cursor: Option<String>,
}

/// A walk under way.
pub struct Walk {
    registry: Registry,
    shared: Shared,
    base: Url,
    /// The connection, kept from page to page while it works.
    door: Option<Arc<Door>>,
    cursors: BTreeSet<String>,
    pages: u32,
    records: u64,
    done: bool,
    complete: bool,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    servers: Vec<serde::de::IgnoredAny>,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default, alias = "next_cursor", rename = "nextCursor")]
    next_cursor: Option<String>,
}

impl Walk {
    /// Prepares a walk. Of the settings, identity, timeouts, retries, roots, guard, pace,
    /// proxy and mapping count.
    ///
    /// # Errors
    ///
    /// If the base URL or one of the settings cannot be used.
    pub async fn new(registry: Registry, settings: Settings) -> Result<Self, NetError> {
        let base = registry.base.trim_end_matches('/').to_owned();
        let url = Url::parse(&format!("{base}/v0.1/servers"))
            .map_err(|fault| registry.fault(fault.to_string()))?;
        Ok(Self {
            cursors: registry.cursor.iter().cloned().collect(),
            registry,
            shared: Shared::new(settings).await?,
            base: url,
            door: None,
            pages: 0,
            records: 0,
            done: false,
            complete: false,
        })
    }

    /// Whether the registry's last page was read. A walk that a cap ended can be taken up at
    /// the last page's cursor.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// The next page; `None` once the walk is over.
    ///
    /// # Errors
    ///
    /// If the page cannot be had after all repetitions, is no registry page, or leads back
    /// to where the walk has been. The walk can be taken up at the last page's cursor.
    pub async fn next(&mut self) -> Result<Option<Batch>, NetError> {
        if self.done
            || self.pages >= self.registry.most_pages
            || self.records >= self.registry.most_records
        {
            return Ok(None);
        }
        let url = self.page_url();
        let text = self.fetch(&url).await?;
        let envelope: Envelope = serde_json::from_str(&text).map_err(|fault| {
            self.registry
                .fault(format!("page {}: {fault}", self.pages + 1))
        })?;
        let cursor = envelope
            .metadata
            .next_cursor
            .filter(|cursor| !cursor.is_empty());
        let batch = Batch {
            text,
            records: envelope.servers.len() as u64,
            cursor,
        };
        self.pages += 1;
        self.records += batch.records;
        match &batch.cursor {
            None => {
                self.done = true;
                self.complete = true;
            }
            Some(cursor) if self.cursors.insert(cursor.clone()) => {
                self.registry.cursor = Some(cursor.clone());
            }
            Some(_) => {
                self.done = true;
                return Err(self
                    .registry
                    .fault(format!("page {} leads back to an earlier one", self.pages)));
            }
        }
        Ok(Some(batch))
    }

    fn page_url(&self) -> Url {
        let mut url = self.base.clone();
        let mut query = url.query_pairs_mut();
        query.append_pair("limit", &self.registry.limit.to_string());
        if let Some(cursor) = &self.registry.cursor {
            query.append_pair("cursor", cursor);
        }
        if let Some(since) = self.registry.updated_since {
            query.append_pair("updated_since", &since.rfc3339());
        }
        drop(query);
        url
    }

    /// One page, with the repetitions of the scan policy.
    async fn fetch(&mut self, url: &Url) -> Result<String, NetError> {
        let mut attempt = 0;
        loop {
            let fault = match self.once(url).await {
                Ok(text) => return Ok(text),
                Err(Refusal::Final(what)) => return Err(self.registry.fault(what)),
                Err(Refusal::Passing(what)) => what,
            };
            self.door = None;
            let Some(wait) = self.shared.settings.retries.public.get(attempt) else {
                return Err(self.registry.fault(fault));
            };
            tokio::time::sleep(*wait).await;
            attempt += 1;
        }
    }

    async fn once(&mut self, url: &Url) -> Result<String, Refusal> {
        let door = match &self.door {
            Some(door) => Arc::clone(door),
            None => self.enter(url).await?,
        };
        self.door = Some(Arc::clone(&door));
        let settings = &self.shared.settings;
        let host = door.host.trim_end_matches('.');
        let turn = settings
            .pace
            .turn(host, door.place, Duration::ZERO)
            .await
            .map_err(|closed| {
                Refusal::Final(format!("it asked to wait for {} s", closed.left.as_secs()))
            })?;
        let work = async {
            let mut response = door
                .client
                .execute(self.request(url, door.host_header.as_ref()))
                .await
                .map_err(|fault| passing(&fault))?;
            let status = response.status().as_u16();
            let wait = response
                .headers()
                .get(RETRY_AFTER)
                .and_then(|value| value.to_str().ok())
                .and_then(|value| retry::retry_after(value, settings.clock.now()));
            turn.answered(status, wait);
            match status {
                200 => self.read(&mut response).await,
                429 | 500..=599 => Err(Refusal::Passing(format!("it answered {status}"))),
                _ => Err(Refusal::Final(format!(
                    "it answered {status}, expected 200"
                ))),
            }
        };
        tokio::time::timeout(settings.timeouts.total, work)
            .await
            .map_err(|_| Refusal::Passing("no answer in time".to_owned()))?
    }

    async fn enter(&self, url: &Url) -> Result<Arc<Door>, Refusal> {
        let doors = Doors::new(&self.shared, self.base.as_str());
        doors.to(url, false).await.map_err(|failure| match failure {
            Failure::Blocked(rule) => Refusal::Final(format!(
                "its address may not be contacted ({rule}); a private registry needs scan.allow_private"
            )),
            failure => Refusal::Passing(format!("its name does not resolve ({failure:?})")),
        })
    }

    fn request(&self, url: &Url, host: Option<&HeaderValue>) -> reqwest::Request {
        let identity = &self.shared.settings.identity;
        let mut sent = url.clone();
        if host.is_some() {
            // Cannot fail: the URL has a host.
            let _ = sent.set_port(None);
        }
        let mut request = reqwest::Request::new(reqwest::Method::GET, sent);
        let headers = request.headers_mut();
        if let Some(host) = host {
            headers.insert(reqwest::header::HOST, host.clone());
        }
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Ok(agent) = HeaderValue::from_str(&identity.user_agent(None)) {
            headers.insert(USER_AGENT, agent);
        }
        let contact = identity.contact.as_deref().unwrap_or_default();
        if let Some(contact) = HeaderValue::from_str(contact)
            .ok()
            .filter(|contact| !contact.is_empty())
        {
            headers.insert(FROM, contact);
        }
        if let Some(key) = &self.registry.key {
            headers.insert(key.name(), key.value().clone());
        }
        request
    }

    async fn read(&self, response: &mut reqwest::Response) -> Result<String, Refusal> {
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|fault| passing(&fault))? {
            if bytes.len() + chunk.len() > self.registry.page_bytes {
                return Err(Refusal::Final(format!(
                    "a page is longer than {} bytes",
                    self.registry.page_bytes
                )));
            }
            bytes.extend_from_slice(&chunk);
        }
        String::from_utf8(bytes).map_err(|_| Refusal::Final("a page is not UTF-8".to_owned()))
    }
}

/// Why a page was not had.
enum Refusal {
    /// Asking again may help.
    Passing(String),
    /// It will not.
    Final(String),
}

fn passing(fault: &reqwest::Error) -> Refusal {
    Refusal::Passing(format!("{:?}", super::failure::of_request(fault, true)))
}

impl Registry {
    fn fault(&self, what: impl Into<String>) -> NetError {
        NetError::Registry {
            registry: self.base.escape_debug().to_string(),
            what: what.into(),
        }
    }
}
