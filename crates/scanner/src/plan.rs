//! What to ask next, decided from what was heard so far. Pure: the plan never sends.
//!
//! [`next`] returns everything that can be asked now, in a fixed order, and never the same
//! purpose and URL twice, so a scan ends. A request needs a secret that evidence does not
//! keep only in one case, the session id of a legacy handshake; it is named by the exchange
//! that issued it ([`HeaderValue::Session`]).

mod asks;
mod budget;
mod consented;
mod credentialed;
mod farewell;
mod handshakes;
mod heard;
mod hops;
mod metadata;
mod secret;
#[cfg(test)]
mod tests;
mod variations;

use crate::evidence::{Depth, Evidence, ExchangeId, List, Purpose};
use crate::facts::outcome::location;
use crate::facts::{Facts, discovery, plain};
use asks::{Era, Message};
pub use farewell::farewell;
pub use secret::{Alteration, Forged, FormValue, Issued, Secret};

/// The header names of our preflight, as sent.
pub const PREFLIGHT_HEADERS: &str =
    "authorization,content-type,mcp-protocol-version,mcp-method,mcp-name,mcp-session-id";

/// The foreign origin of X7 and of the CORS probes.
pub const PROBE_ORIGIN: &str = "https://origin-probe.invalid";

/// The foreign host of X15.
pub const FORWARDED_HOST: &str = "fwd-probe.invalid";

/// What a scan may send. Budgets count requests, retries included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How much may be sent.
    pub depth: Depth,
    /// Requests to the endpoint's host.
    pub endpoint_requests: u32,
    /// Requests to each other host.
    pub as_requests: u32,
    /// Requests of depth consented and deeper to each host, besides those above.
    pub consented_requests: u32,
    /// Redirect hops followed per request.
    pub redirect_hops: u32,
    /// Milliseconds between the repetitions of challenge-consistent.
    pub repeat_gap_ms: u32,
    /// Milliseconds after which a code must be worth nothing (code-single-use).
    pub late_code_ms: u32,
    /// Milliseconds after which a rotated refresh token must be worth nothing.
    pub grace_ms: u32,
}

impl Limits {
    /// How many requests of the kind of this purpose may go to a host: the endpoint's, or
    /// another.
    #[must_use]
    pub fn budget(&self, purpose: Purpose, home: bool) -> u32 {
        if purpose.is_deeper() {
            self.consented_requests
        } else if home {
            self.endpoint_requests
        } else {
            self.as_requests
        }
    }
}

impl Default for Limits {
    /// The budget of the scan policy.
    fn default() -> Self {
        Self {
            depth: Depth::Standard,
            endpoint_requests: 45,
            as_requests: 12,
            consented_requests: 80,
            redirect_hops: 3,
            repeat_gap_ms: 2000,
            late_code_ms: 11 * 60 * 1000,
            grace_ms: 60_000,
        }
    }
}

/// One question the plan wants put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Why.
    pub purpose: Purpose,
    /// The exchange whose redirect this follows.
    pub follows: Option<ExchangeId>,
    /// HTTP method.
    pub method: &'static str,
    /// Absolute URL.
    pub url: String,
    /// Headers besides those every request carries; names in lower case, may repeat.
    pub headers: Vec<(&'static str, HeaderValue)>,
    /// Body.
    pub body: Option<String>,
    /// Fields of a form; sent as the body (`application/x-www-form-urlencoded`) in place of
    /// `body`.
    pub form: Vec<(&'static str, FormValue)>,
    /// Query parameters whose values are secret, appended to the URL when it is sent and
    /// blanked in the record.
    pub query: Vec<(&'static str, Secret)>,
    /// JSON Pointers into `body` whose values are secret and filled in when it is sent.
    pub fill: Vec<(&'static str, Secret)>,
    /// To be opened in the owner's browser if the owner offered one; asked directly otherwise.
    pub by_owner: bool,
    /// How much of the answer to read.
    pub read: Read,
    /// Make a new connection for it.
    pub fresh_connection: bool,
    /// Wait at least this long after the previous request to the host, on top of pacing.
    pub gap_ms: u32,
}

/// The value of a request header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderValue {
    /// As written.
    Plain(String),
    /// The `Mcp-Session-Id` that this exchange's response carried, which evidence does not keep.
    Session(ExchangeId),
    /// `Bearer` and this token.
    Bearer(Secret),
    /// A secret as it is.
    Secret(Secret),
    /// `Basic` credentials of a client (RFC 6749 section 2.3.1): its identifier and its secret.
    Basic(String, Secret),
}

/// How much of an answer is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// A JSON document or an HTML page: up to the cap of its media type.
    Document,
    /// A JSON-RPC answer, perhaps as an event stream: until the event that answers the request.
    Message,
    /// An event stream that never ends: its beginning.
    Stream,
}

/// What the plan wants now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Questions that may be put.
    pub asks: Vec<Ask>,
    /// The budget left a question out.
    pub over_budget: bool,
    /// The endpoint's host answered 429, which ends a scan.
    pub rate_limited: bool,
}

/// Everything that can be asked now, and what keeps the rest from being asked.
#[must_use]
pub fn wanted(evidence: &Evidence, limits: &Limits) -> Wanted {
    if rate_limited(evidence) {
        return Wanted {
            rate_limited: true,
            ..Wanted::default()
        };
    }
    Plan::new(evidence, limits).wanted()
}

/// Everything that can be asked now.
#[must_use]
pub fn next(evidence: &Evidence, limits: &Limits) -> Vec<Ask> {
    wanted(evidence, limits).asks
}

fn rate_limited(evidence: &Evidence) -> bool {
    evidence.exchanges.iter().any(|exchange| {
        exchange
            .got
            .as_ref()
            .is_ok_and(|response| response.status == 429)
            && host_of(&exchange.asked.url) == host_of(&evidence.target.url)
    })
}

struct Plan<'e> {
    evidence: &'e Evidence,
    limits: &'e Limits,
    facts: Facts<'e>,
    /// Where MCP requests go: E, or the target of its same-origin redirect.
    endpoint: String,
}

impl<'e> Plan<'e> {
    fn new(evidence: &'e Evidence, limits: &'e Limits) -> Self {
        let facts = Facts::new(evidence);
        let endpoint = effective_endpoint(&facts);
        Self {
            evidence,
            limits,
            facts,
            endpoint,
        }
    }

    /// Stage by stage: a later stage is looked at only when the ones before it are done, or
    /// the budget leaves nothing of them.
    fn wanted(&self) -> Wanted {
        let stages: [fn(&Self) -> Vec<Ask>; 15] = [
            Self::hops,
            Self::greetings,
            Self::discovery,
            Self::servers_and_lists,
            Self::variations,
            Self::handshakes,
            Self::registrations,
            Self::authorizations,
            Self::client_documents,
            Self::forged_tokens,
            Self::owner_codes,
            Self::owner_probes,
            Self::owner_farewells,
            Self::code_trials,
            Self::farewells,
        ];
        let mut over_budget = false;
        for stage in stages {
            let mut asks = stage(self);
            asks.retain(|ask| !self.already_asked(ask));
            let mut kept: Vec<Ask> = Vec::with_capacity(asks.len());
            for ask in asks {
                if !kept
                    .iter()
                    .any(|known| same_question(known.purpose, &known.url, ask.purpose, &ask.url))
                {
                    kept.push(ask);
                }
            }
            let all = kept.len();
            self.keep_within_budget(&mut kept);
            over_budget |= kept.len() < all;
            if !kept.is_empty() {
                return Wanted {
                    asks: kept,
                    over_budget,
                    rate_limited: false,
                };
            }
        }
        Wanted {
            over_budget,
            ..Wanted::default()
        }
    }

    fn already_asked(&self, ask: &Ask) -> bool {
        self.evidence.exchanges.iter().any(|exchange| {
            if ask.follows.is_some() {
                return exchange.follows == ask.follows;
            }
            // Deeper questions are put once; their URLs hold what the record blanks.
            if ask.purpose.is_deeper() {
                return exchange.purpose == ask.purpose;
            }
            // The end of a greeting's redirect has been greeted.
            let greeting = matches!(
                ask.purpose,
                Purpose::Discover | Purpose::Initialize | Purpose::EventStream
            );
            (exchange.follows.is_none() || greeting)
                && same_question(exchange.purpose, &exchange.asked.url, ask.purpose, &ask.url)
        })
    }

    // --- stages ---------------------------------------------------------------------

    /// X1, X3, X5 and the document at the origin root.
    fn greetings(&self) -> Vec<Ask> {
        let [(role, url), _] = discovery::origin_candidates(self.facts.endpoint());
        // Greetings go to E itself: where it redirects to is known only afterwards.
        let listed = self.facts.endpoint_text();
        let greet = |purpose, message| Ask {
            url: listed.to_owned(),
            ..self.message(purpose, message)
        };
        vec![
            greet(Purpose::Discover, Message::Discover),
            greet(Purpose::Initialize, Message::Initialize("2025-11-25")),
            self.stream(Purpose::EventStream, listed),
            asks::document(Purpose::AsMetadata(0, role), url),
        ]
    }

    /// Lists, negotiation, and the protected-resource candidates.
    fn discovery(&self) -> Vec<Ask> {
        if self.only_redirects() {
            return self.prm_asks();
        }
        let mut list = Vec::new();
        if let Some(version) = self.newest_listed() {
            list.push(self.message(Purpose::DiscoverListed, Message::DiscoverAs(version)));
        }
        if self.modern_open() || self.modern_without_discover() {
            list.push(self.message(
                Purpose::ModernList(List::Tools),
                Message::List(Era::Modern, List::Tools),
            ));
        }
        if self.legacy_open() {
            list.push(self.message(Purpose::Initialized, Message::Initialized));
            list.push(self.message(
                Purpose::LegacyList(List::Tools),
                Message::List(Era::Legacy, List::Tools),
            ));
            if self.negotiated().as_deref() == Some("2025-11-25") {
                list.push(
                    self.message(Purpose::InitializeFuture, Message::Initialize("2099-01-01")),
                );
            }
        }
        list.extend(self.prm_asks());
        list.push(asks::document(
            Purpose::RandomWellKnown,
            format!(
                "{}/.well-known/authdex-nonexistent-{}",
                discovery::origin_of(self.facts.endpoint()),
                &self.evidence.nonce.get(..16).unwrap_or_default()
            ),
        ));
        if let Some(sibling) = self.sse_sibling() {
            list.push(self.stream(Purpose::SiblingStream, &sibling));
        }
        list
    }

    /// Further lists, the call of a tool that cannot exist, and the authorization servers.
    fn servers_and_lists(&self) -> Vec<Ask> {
        let mut list = self.prm_diagnostics();
        list.extend(self.as_asks());
        if self.only_redirects() {
            return list;
        }
        list.extend(self.further_lists());
        if self.facts.open_hello() {
            let era = if self.modern_open() {
                Era::Modern
            } else {
                Era::Legacy
            };
            list.push(self.message(Purpose::UnknownTool, Message::UnknownTool(era)));
        }
        if self.facts.protected() {
            list.push(self.message(Purpose::InitializeOldest, Message::Initialize("2024-11-05")));
        }
        list
    }

    /// Prompts and resources, in one era: the tools of both are compared, the rest is counted.
    fn further_lists(&self) -> Vec<Ask> {
        let era = [
            (Era::Modern, self.modern_open()),
            (Era::Legacy, self.legacy_open()),
        ]
        .into_iter()
        .find_map(|(era, open)| (open && self.tools_listed(era)).then_some(era));
        let Some(era) = era else {
            return Vec::new();
        };
        let capabilities = self.capabilities(match era {
            Era::Modern => Purpose::Discover,
            Era::Legacy => Purpose::Initialize,
        });
        [
            ("prompts", List::Prompts),
            ("resources", List::Resources),
            ("resources", List::Templates),
        ]
        .into_iter()
        .filter(|(member, _)| capabilities.contains(member))
        .map(|(_, list)| self.message(purpose_of(era, list), Message::List(era, list)))
        .collect()
    }

    /// Everything that varies a request whose answer is known.
    fn variations(&self) -> Vec<Ask> {
        let mut list = self.as_diagnostics();
        list.extend(self.key_asks());
        list.extend(self.alias_asks());
        list.extend(self.security_txt());
        if self.only_redirects() || !self.reachable() {
            return list;
        }
        list.extend(self.origin_asks());
        if let Some(plaintext) = self.plaintext() {
            list.push(plaintext);
        }
        list.extend(self.modern_asks());
        list.extend(self.session_asks());
        list.extend(self.repeat_asks());
        list.extend(self.cors_asks());
        if self.limits.depth >= Depth::Standard {
            list.extend(self.credential_asks());
            list.extend(self.forwarded_asks());
        }
        list
    }

    // --- building ----------------------------------------------------------------------------

    fn message(&self, purpose: Purpose, message: Message) -> Ask {
        if self.was_put(purpose) {
            // It will be left out: what it would say need not be written.
            return asks::document(purpose, self.endpoint.clone());
        }
        let context = asks::Context {
            endpoint: &self.endpoint,
            nonce: &self.evidence.nonce,
            version: &self.evidence.scanner,
            session: self.session(),
            negotiated: self.negotiated(),
            listed: self.newest_listed(),
        };
        asks::message(&context, purpose, message)
    }

    /// This message was put to the endpoint, so [`Plan::already_asked`] holds for it.
    fn was_put(&self, purpose: Purpose) -> bool {
        !purpose.is_deeper()
            && self.endpoint == self.facts.endpoint_text()
            && self.evidence.exchanges.iter().any(|exchange| {
                exchange.purpose == purpose
                    && exchange.follows.is_none()
                    && exchange.asked.url == self.endpoint
            })
    }

    fn stream(&self, purpose: Purpose, url: &str) -> Ask {
        asks::stream(purpose, url.to_owned())
    }

    fn end_session(&self, purpose: Purpose, session: ExchangeId) -> Ask {
        let version = self.negotiated().unwrap_or_else(|| "2025-11-25".to_owned());
        asks::end_session(purpose, self.endpoint.clone(), session, version)
    }
}

fn purpose_of(era: Era, list: List) -> Purpose {
    match era {
        Era::Modern => Purpose::ModernList(list),
        Era::Legacy => Purpose::LegacyList(list),
    }
}

/// Whether two questions are the same: one purpose and URL, or two reads of one metadata URL.
fn same_question(a: Purpose, a_url: &str, b: Purpose, b_url: &str) -> bool {
    if a.is_deeper() {
        return a == b;
    }
    let both_as = matches!((a, b), (Purpose::AsMetadata(..), Purpose::AsMetadata(..)));
    let both_keys = matches!((a, b), (Purpose::Jwks(..), Purpose::Jwks(..)));
    // Our own query values may be blanked in the record.
    let ours = matches!(
        a,
        Purpose::QueryAccessToken
            | Purpose::QueryToken
            | Purpose::ForwardedPrm
            | Purpose::ForwardedAsMetadata
    );
    if ours {
        return a == b && without_query(a_url) == without_query(b_url);
    }
    a_url == b_url && (a == b || both_as || both_keys)
}

fn without_query(url: &str) -> &str {
    url.split('?').next().unwrap_or(url)
}

fn effective_endpoint(facts: &Facts<'_>) -> String {
    [Purpose::Discover, Purpose::Initialize]
        .into_iter()
        .filter_map(|purpose| facts.answer(purpose))
        .find(|answer| answer.exchange.follows.is_some() && location(answer.exchange).is_none())
        .map_or_else(
            || facts.endpoint_text().to_owned(),
            |answer| answer.exchange.asked.url.clone(),
        )
}

/// Host and port of a URL: what budgets count by.
pub(crate) fn host_of(url: &str) -> String {
    plain::authority(url)
}
