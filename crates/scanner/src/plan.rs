//! What to ask next, decided from what was heard so far. Pure: the plan never sends.
//!
//! [`next`] returns everything that can be asked now, in a fixed order, and never the same
//! purpose and URL twice, so a scan ends. A request needs a secret that evidence does not
//! keep only in one case, the session id of a legacy handshake; it is named by the exchange
//! that issued it ([`HeaderValue::Session`]).

mod asks;

use serde_json::Value;
use url::Url;

use crate::evidence::{AsRole, Depth, Evidence, Exchange, ExchangeId, List, PrmRole, Purpose};
use crate::facts::documents::Document;
use crate::facts::outcome::{Outcome, Rpc, location};
use crate::facts::{Facts, discovery, relation};
use crate::report::Class;
use crate::spec::Revision;
use asks::{Era, Message};

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
    /// Redirect hops followed per request.
    pub redirect_hops: u32,
    /// Milliseconds between the repetitions of challenge-consistent.
    pub repeat_gap_ms: u32,
}

impl Default for Limits {
    /// The budget of the scan policy.
    fn default() -> Self {
        Self {
            depth: Depth::Standard,
            endpoint_requests: 45,
            as_requests: 12,
            redirect_hops: 3,
            repeat_gap_ms: 2000,
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

/// Everything that can be asked now.
#[must_use]
pub fn next(evidence: &Evidence, limits: &Limits) -> Vec<Ask> {
    let plan = Plan::new(evidence, limits);
    if plan.rate_limited() {
        return Vec::new();
    }
    let mut asks = plan.wanted();
    plan.keep_within_budget(&mut asks);
    asks
}

/// Whether the budget, not the plan, ended the scan.
#[must_use]
pub fn exhausted(evidence: &Evidence, limits: &Limits) -> bool {
    let plan = Plan::new(evidence, limits);
    let mut asks = plan.wanted();
    let wanted = asks.len();
    plan.keep_within_budget(&mut asks);
    asks.len() < wanted
}

/// Whether the endpoint's host answered 429, which ends a scan.
#[must_use]
pub fn rate_limited(evidence: &Evidence, limits: &Limits) -> bool {
    Plan::new(evidence, limits).rate_limited()
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

    fn rate_limited(&self) -> bool {
        self.evidence.exchanges.iter().any(|exchange| {
            exchange
                .got
                .as_ref()
                .is_ok_and(|response| response.status == 429)
                && host_of(&exchange.asked.url) == host_of(&self.evidence.target.url)
        })
    }

    /// Stage by stage: a later stage is looked at only when the ones before it are done.
    fn wanted(&self) -> Vec<Ask> {
        let stages: [fn(&Self) -> Vec<Ask>; 6] = [
            Self::hops,
            Self::greetings,
            Self::discovery,
            Self::servers_and_lists,
            Self::variations,
            Self::farewells,
        ];
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
            if !kept.is_empty() {
                return kept;
            }
        }
        Vec::new()
    }

    fn already_asked(&self, ask: &Ask) -> bool {
        self.evidence.exchanges.iter().any(|exchange| {
            if ask.follows.is_some() {
                return exchange.follows == ask.follows;
            }
            exchange.follows.is_none()
                && same_question(exchange.purpose, &exchange.asked.url, ask.purpose, &ask.url)
        })
    }

    fn keep_within_budget(&self, asks: &mut Vec<Ask>) {
        let home = host_of(&self.evidence.target.url);
        let mut counts: std::collections::BTreeMap<String, u32> = std::collections::BTreeMap::new();
        for exchange in &self.evidence.exchanges {
            *counts.entry(host_of(&exchange.asked.url)).or_default() += 1;
        }
        asks.retain(|ask| {
            let host = host_of(&ask.url);
            let budget = if host == home {
                self.limits.endpoint_requests
            } else {
                self.limits.as_requests
            };
            let count = counts.entry(host).or_default();
            if *count >= budget {
                return false;
            }
            *count += 1;
            true
        });
    }

    // --- redirects ------------------------------------------------------------------

    /// One more hop for every same-origin redirect that is no login.
    fn hops(&self) -> Vec<Ask> {
        self.facts
            .answers()
            .iter()
            .filter(|answer| answer.outcome == Outcome::Redirect)
            .filter(|answer| follows_redirects(answer.exchange.purpose))
            .filter(|answer| self.depth_of(answer.exchange) < self.limits.redirect_hops)
            .filter_map(|answer| {
                let to = answer.location()?;
                let from = Url::parse(&answer.exchange.asked.url).ok()?;
                let may_follow = relation::same_origin(&from, &to)
                    // An http listing is followed to itself over https, for good (301, 308).
                    || (crate::facts::upgrades(&from, &to)
                        && matches!(answer.status(), Some(301 | 308)));
                (may_follow && !self.is_retried(answer.exchange))
                    .then(|| asks::hop(answer.exchange, &to))
            })
            .collect()
    }

    fn depth_of(&self, exchange: &Exchange) -> u32 {
        let mut depth = 0;
        let mut current = exchange.follows;
        while let Some(id) = current {
            depth += 1;
            current = self
                .evidence
                .exchanges
                .iter()
                .find(|exchange| exchange.id == id)
                .and_then(|exchange| exchange.follows)
                .filter(|next| *next < id);
        }
        depth
    }

    /// A later attempt of the same question replaced this exchange.
    fn is_retried(&self, exchange: &Exchange) -> bool {
        self.evidence.exchanges.iter().any(|later| {
            later.id > exchange.id
                && later.purpose == exchange.purpose
                && later.asked.url == exchange.asked.url
                && later.follows == exchange.follows
        })
    }

    // --- stages ---------------------------------------------------------------------

    /// X1, X3, X5 and the document at the origin root.
    fn greetings(&self) -> Vec<Ask> {
        let [(role, url), _] = discovery::origin_candidates(self.facts.endpoint());
        vec![
            self.message(Purpose::Discover, Message::Discover),
            self.message(Purpose::Initialize, Message::Initialize("2025-11-25")),
            self.stream(Purpose::EventStream, &self.endpoint),
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
        for (open, era, capabilities) in [
            (
                self.modern_open(),
                Era::Modern,
                self.capabilities(Purpose::Discover),
            ),
            (
                self.legacy_open(),
                Era::Legacy,
                self.capabilities(Purpose::Initialize),
            ),
        ] {
            if open && self.tools_listed(era) {
                for (member, lists) in [
                    ("prompts", [List::Prompts].as_slice()),
                    ("resources", [List::Resources, List::Templates].as_slice()),
                ] {
                    if capabilities.contains(&member) {
                        list.extend(lists.iter().map(|which| {
                            self.message(purpose_of(era, *which), Message::List(era, *which))
                        }));
                    }
                }
            }
        }
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

    /// Everything that varies a request whose answer is known.
    fn variations(&self) -> Vec<Ask> {
        let mut list = self.as_diagnostics();
        list.extend(self.key_asks());
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
        if self.limits.depth >= Depth::Standard {
            list.extend(self.credential_asks());
            list.extend(self.forwarded_asks());
        }
        list
    }

    /// Sessions that our handshakes opened are closed again, and a closed one tried once.
    fn farewells(&self) -> Vec<Ask> {
        let mut list = Vec::new();
        for number in 1..=2 {
            if let Some(session) = self.session_of(Purpose::AnotherSession(number)) {
                list.push(self.end_session(Purpose::EndAnotherSession(number), session));
            }
        }
        if let Some(session) = self.session_of(Purpose::Initialize) {
            list.push(self.end_session(Purpose::EndSession, session));
            if self.facts.answer(Purpose::EndSession).is_some() && self.facts.open_list() {
                list.push(self.message(
                    Purpose::EndedSession,
                    Message::List(Era::Legacy, List::Tools),
                ));
            }
        }
        list
    }

    // --- what was heard -----------------------------------------------------------------

    fn modern_open(&self) -> bool {
        [Purpose::Discover, Purpose::DiscoverListed]
            .into_iter()
            .any(|purpose| {
                self.facts
                    .answer(purpose)
                    .and_then(|answer| answer.result())
                    .is_some_and(|result| result.get("supportedVersions").is_some())
            })
    }

    /// -32601, with 404 or as a legacy library would say it: discover may be missing while
    /// the lists work.
    fn modern_without_discover(&self) -> bool {
        self.facts
            .answer(Purpose::Discover)
            .is_some_and(|answer| answer.error_code() == Some(-32601))
    }

    fn legacy_open(&self) -> bool {
        self.negotiated().is_some()
    }

    fn negotiated(&self) -> Option<String> {
        Some(
            self.facts
                .answer(Purpose::Initialize)?
                .result()?
                .get("protocolVersion")?
                .as_str()?
                .to_owned(),
        )
    }

    /// The newest version that a -32022 listed, if it is another one than we asked for.
    fn newest_listed(&self) -> Option<String> {
        let answer = self.facts.answer(Purpose::Discover)?;
        let Some(Rpc::Error { data, .. }) = &answer.rpc else {
            return None;
        };
        data.get("supported")?
            .as_array()?
            .iter()
            .filter_map(Value::as_str)
            .filter(|version| version.len() == 10 && *version >= "2026")
            .max()
            .filter(|version| *version != Revision::HEADLINE.as_str())
            .map(str::to_owned)
    }

    fn capabilities(&self, purpose: Purpose) -> Vec<&str> {
        self.facts
            .answer(purpose)
            .and_then(|answer| answer.result())
            .and_then(|result| result.get("capabilities"))
            .and_then(Value::as_object)
            .map(|members| members.keys().map(String::as_str).collect())
            .unwrap_or_default()
    }

    fn tools_listed(&self, era: Era) -> bool {
        self.facts
            .answer(purpose_of(era, List::Tools))
            .is_some_and(|answer| !answer.refuses_for_credentials())
    }

    fn reachable(&self) -> bool {
        !matches!(self.facts.class(), Class::Unreachable | Class::Blocked)
    }

    /// X1 and X3 both lead to another origin or to http: no further MCP request is sent.
    fn only_redirects(&self) -> bool {
        [Purpose::Discover, Purpose::Initialize]
            .into_iter()
            .all(|purpose| {
                self.facts.answer(purpose).is_some_and(|answer| {
                    matches!(answer.outcome, Outcome::Redirect | Outcome::Login)
                })
            })
    }

    fn session_of(&self, purpose: Purpose) -> Option<ExchangeId> {
        let answer = self.facts.answer(purpose)?;
        answer.result()?;
        answer.response()?.header("mcp-session-id")?;
        Some(answer.exchange.id)
    }

    /// The SSE URL of the same listing, on the endpoint's own host.
    fn sse_sibling(&self) -> Option<String> {
        let listing = self.evidence.target.listing.as_ref()?;
        let home = host_of(&self.evidence.target.url);
        listing
            .siblings
            .iter()
            .find(|url| {
                **url != self.evidence.target.url
                    && host_of(url) == home
                    && url.trim_end_matches('/').ends_with("/sse")
            })
            .cloned()
    }

    // --- asks by subject -------------------------------------------------------------------

    fn prm_header(&self) -> Option<String> {
        let (value, _) = self.facts.resource_metadata()?;
        let url = Url::parse(value).ok()?;
        (matches!(url.scheme(), "https" | "http") && url.host_str().is_some())
            .then(|| value.to_owned())
    }

    fn prm_asks(&self) -> Vec<Ask> {
        discovery::prm_candidates(self.facts.endpoint(), self.prm_header().as_deref())
            .into_iter()
            .filter(|(role, _)| !matches!(role, PrmRole::Appended | PrmRole::Parent))
            .map(|(role, url)| asks::document(Purpose::Prm(role), url))
            .collect()
    }

    /// Asked only to explain why nothing was found.
    fn prm_diagnostics(&self) -> Vec<Ask> {
        if self.facts.any_prm().is_some() || !self.reachable() || !self.facts.protected() {
            return Vec::new();
        }
        discovery::prm_candidates(self.facts.endpoint(), self.prm_header().as_deref())
            .into_iter()
            .filter(|(role, _)| matches!(role, PrmRole::Appended | PrmRole::Parent))
            .map(|(role, url)| asks::document(Purpose::Prm(role), url))
            .collect()
    }

    fn as_asks(&self) -> Vec<Ask> {
        let mut list = Vec::new();
        let listed = self.facts.listed_issuers();
        for (issuer, index) in listed.iter().zip(0u8..) {
            for (role, url) in discovery::as_candidates(issuer).unwrap_or_default() {
                if discovery::as_credited(role, Revision::HEADLINE) {
                    list.push(asks::document(Purpose::AsMetadata(index, role), url));
                }
            }
        }
        // A mirror of a foreign issuer's document on the endpoint's origin.
        let origin = discovery::origin_of(self.facts.endpoint());
        let own = |issuer: &String| issuer.trim_end_matches('/') == origin;
        if !listed.is_empty() && !listed.iter().any(own) {
            let [_, (role, url)] = discovery::origin_candidates(self.facts.endpoint());
            list.push(asks::document(Purpose::AsMetadata(0, role), url));
        }
        list
    }

    fn as_diagnostics(&self) -> Vec<Ask> {
        let mut list = Vec::new();
        for issuer in self
            .facts
            .issuers()
            .iter()
            .filter(|issuer| !issuer.fallback)
        {
            if !self.facts.found(issuer, Revision::HEADLINE).is_empty()
                || self.facts.unregistered(issuer)
            {
                continue;
            }
            for (role, url) in discovery::as_candidates(&issuer.listed).unwrap_or_default() {
                list.push(asks::document(Purpose::AsMetadata(issuer.index, role), url));
            }
        }
        list
    }

    fn key_asks(&self) -> Vec<Ask> {
        let mut list = Vec::new();
        for issuer in self.facts.issuers() {
            for candidate in self.facts.found(issuer, Revision::HEADLINE) {
                if let Some(url) = candidate.asm().and_then(|document| self.key_url(document)) {
                    list.push(asks::document(Purpose::Jwks(issuer.index), url));
                }
            }
        }
        let of_issuers: Vec<String> = list.iter().map(|ask| ask.url.clone()).collect();
        if let Some(prm) = self.facts.selected_prm(Revision::HEADLINE)
            && let Some(url) = self.key_url(prm.document)
            && !of_issuers.contains(&url)
        {
            list.push(asks::document(Purpose::PrmJwks, url));
        }
        list
    }

    fn key_url(&self, document: &Document) -> Option<String> {
        let text = document.text("jwks_uri")?;
        let url = Url::parse(text).ok()?;
        self.facts.secure(&url).then(|| text.to_owned())
    }

    fn security_txt(&self) -> Vec<Ask> {
        if !self.reachable() {
            return Vec::new();
        }
        let origin = discovery::origin_of(self.facts.endpoint());
        let mut list = vec![asks::document(
            Purpose::SecurityTxt,
            format!("{origin}/.well-known/security.txt"),
        )];
        let absent = self
            .facts
            .answer(Purpose::SecurityTxt)
            .is_some_and(|answer| answer.outcome == Outcome::Miss);
        if absent {
            list.push(asks::document(
                Purpose::SecurityTxtLegacy,
                format!("{origin}/security.txt"),
            ));
        }
        list
    }

    fn origin_asks(&self) -> Vec<Ask> {
        let mut list = Vec::new();
        if let Some(base) = self.hello() {
            for (purpose, origin) in [
                (Purpose::ForeignOrigin, PROBE_ORIGIN),
                (Purpose::NullOrigin, "null"),
            ] {
                list.push(asks::with(
                    self.message(purpose, base.clone()),
                    "origin",
                    origin,
                ));
            }
        }
        list.push(asks::preflight(&self.endpoint));
        list
    }

    /// X6, only where the https URL uses port 443.
    fn plaintext(&self) -> Option<Ask> {
        let url = Url::parse(&self.endpoint).ok()?;
        if url.scheme() != "https" || url.port().is_some() {
            return None;
        }
        let mut ask = self.message(Purpose::Plaintext, Message::Discover);
        ask.url = self.endpoint.replacen("https://", "http://", 1);
        Some(ask)
    }

    /// X17, X18, X19 and the stray session, where the server speaks without a token.
    fn modern_asks(&self) -> Vec<Ask> {
        if !self.modern_open() {
            if self.legacy_open() && !self.facts.protected() {
                return vec![self.message(Purpose::BogusVersion, Message::LegacyBogusVersion)];
            }
            return Vec::new();
        }
        vec![
            self.message(
                Purpose::BogusVersion,
                Message::DiscoverAs("1900-01-01".into()),
            ),
            self.message(Purpose::VersionMismatch, Message::VersionMismatch),
            self.message(Purpose::MethodMismatch, Message::MethodMismatch),
            self.message(Purpose::MethodMissing, Message::MethodMissing),
            self.message(Purpose::UnknownMethod, Message::UnknownMethod),
            self.message(Purpose::StraySession, Message::StraySession),
        ]
    }

    fn session_asks(&self) -> Vec<Ask> {
        if self.session_of(Purpose::Initialize).is_none() || !self.facts.open_list() {
            return Vec::new();
        }
        let mut list: Vec<Ask> = (1..=2)
            .map(|number| {
                self.message(
                    Purpose::AnotherSession(number),
                    Message::Initialize("2025-11-25"),
                )
            })
            .collect();
        list.push(self.message(Purpose::UnknownSession, Message::UnknownSession));
        list
    }

    /// challenge-consistent: the challenged request three times on new connections.
    fn repeat_asks(&self) -> Vec<Ask> {
        let Some(base) = self.control_message() else {
            return Vec::new();
        };
        if !self.facts.protected() || !self.hello_refused() {
            return Vec::new();
        }
        (1..=3)
            .map(|number| {
                let mut ask = self.message(Purpose::Repeat(number), base.clone());
                ask.fresh_connection = true;
                ask.gap_ms = self.limits.repeat_gap_ms;
                ask
            })
            .collect()
    }

    fn hello_refused(&self) -> bool {
        [Purpose::Discover, Purpose::Initialize]
            .into_iter()
            .any(|purpose| {
                self.facts
                    .answer(purpose)
                    .is_some_and(|answer| answer.refuses_for_credentials())
            })
    }

    /// X12, X13, X14 and X20, on the control request.
    fn credential_asks(&self) -> Vec<Ask> {
        // An open server has nothing to probe, unless a PRM says that it takes tokens.
        if !self.facts.protected() && self.facts.any_prm().is_none() {
            return Vec::new();
        }
        let Some(base) = self.control_message() else {
            return self.stream_credential_asks();
        };
        let secret = format!("authdex-invalid-{}", self.evidence.nonce);
        let plain = |purpose| self.message(purpose, base.clone());
        let mut list = vec![asks::with(
            plain(Purpose::BogusToken),
            "authorization",
            &format!("Bearer {secret}"),
        )];
        if self.facts.protected() {
            list.push(asks::with_query(
                plain(Purpose::QueryAccessToken),
                "access_token",
                &secret,
            ));
            list.push(asks::with_query(
                plain(Purpose::QueryToken),
                "token",
                &secret,
            ));
        }
        list.push(asks::with(
            plain(Purpose::EmptyBearer),
            "authorization",
            "Bearer",
        ));
        list.push(asks::with(
            plain(Purpose::BasicCredentials),
            "authorization",
            "Basic bWNwOnNjYW4=",
        ));
        list.push(asks::with(
            asks::with(
                plain(Purpose::TwoBearers),
                "authorization",
                &format!("Bearer {secret}"),
            ),
            "authorization",
            &format!("Bearer {secret}-2"),
        ));
        if self.facts.protected() {
            list.push(self.message(Purpose::Batch, Message::Batch));
        }
        list
    }

    /// The GET-only SSE endpoint is probed with GET.
    fn stream_credential_asks(&self) -> Vec<Ask> {
        if !self.facts.protected() {
            return Vec::new();
        }
        let secret = format!("authdex-invalid-{}", self.evidence.nonce);
        let plain = |purpose| self.stream(purpose, &self.endpoint);
        vec![
            asks::with(
                plain(Purpose::BogusToken),
                "authorization",
                &format!("Bearer {secret}"),
            ),
            asks::with_query(plain(Purpose::QueryAccessToken), "access_token", &secret),
            asks::with(plain(Purpose::EmptyBearer), "authorization", "Bearer"),
            asks::with(
                plain(Purpose::BasicCredentials),
                "authorization",
                "Basic bWNwOnNjYW4=",
            ),
        ]
    }

    /// X15 and the CORS reads of documents.
    fn forwarded_asks(&self) -> Vec<Ask> {
        let mut list = Vec::new();
        let home = self.facts.endpoint();
        if self.facts.protected()
            && let Some(base) = self.control_message()
        {
            list.push(asks::forwarded(
                self.message(Purpose::ForwardedEndpoint, base),
            ));
        }
        let here = |url: &str| Url::parse(url).is_ok_and(|url| relation::same_origin(&url, home));
        if let Some(prm) = self.facts.selected_prm(Revision::HEADLINE) {
            let url = &prm.candidate.url;
            if here(url) {
                list.push(asks::forwarded_document(
                    Purpose::ForwardedPrm,
                    url,
                    &self.evidence.nonce,
                ));
            }
            list.push(asks::with(
                asks::document(Purpose::CorsPrm, url.clone()),
                "origin",
                PROBE_ORIGIN,
            ));
        }
        if let Some(candidate) = self.facts.issuers().first().and_then(|issuer| {
            self.facts
                .found(issuer, Revision::HEADLINE)
                .first()
                .copied()
        }) {
            if here(&candidate.url) {
                list.push(asks::forwarded_document(
                    Purpose::ForwardedAsMetadata,
                    &candidate.url,
                    &self.evidence.nonce,
                ));
            }
            list.push(asks::with(
                asks::document(Purpose::CorsAsMetadata, candidate.url.clone()),
                "origin",
                PROBE_ORIGIN,
            ));
            if let Some(url) = candidate.asm().and_then(|document| self.key_url(document)) {
                list.push(asks::with(
                    asks::document(Purpose::CorsJwks, url),
                    "origin",
                    PROBE_ORIGIN,
                ));
            }
        }
        list
    }

    // --- building ----------------------------------------------------------------------------

    /// X1 if the server hears it, else X3.
    fn hello(&self) -> Option<Message> {
        let heard = |purpose| {
            self.facts
                .answer(purpose)
                .is_some_and(|answer| answer.result().is_some() || answer.refuses_for_credentials())
        };
        if heard(Purpose::Discover) {
            Some(Message::Discover)
        } else if heard(Purpose::Initialize) {
            Some(Message::Initialize("2025-11-25"))
        } else {
            None
        }
    }

    fn control_message(&self) -> Option<Message> {
        Some(match crate::facts::classify::control(&self.facts)? {
            Purpose::Discover => Message::Discover,
            Purpose::ModernList(list) => Message::List(Era::Modern, list),
            Purpose::LegacyList(list) => Message::List(Era::Legacy, list),
            _ => Message::Initialize("2025-11-25"),
        })
    }

    fn message(&self, purpose: Purpose, message: Message) -> Ask {
        let context = asks::Context {
            endpoint: &self.endpoint,
            nonce: &self.evidence.nonce,
            version: &self.evidence.scanner,
            session: self.session_of(Purpose::Initialize),
            negotiated: self.negotiated(),
            listed: self.newest_listed(),
        };
        asks::message(&context, purpose, message)
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
    let both_as = matches!((a, b), (Purpose::AsMetadata(..), Purpose::AsMetadata(..)));
    let both_keys = matches!((a, b), (Purpose::Jwks(..), Purpose::Jwks(..)));
    a_url == b_url && (a == b || both_as || both_keys)
}

/// Redirects of these are followed within the origin.
fn follows_redirects(purpose: Purpose) -> bool {
    matches!(
        purpose,
        Purpose::Discover
            | Purpose::Initialize
            | Purpose::EventStream
            | Purpose::SiblingStream
            | Purpose::Prm(_)
            | Purpose::AsMetadata(..)
            | Purpose::Jwks(_)
            | Purpose::PrmJwks
            | Purpose::SecurityTxt
            | Purpose::SecurityTxtLegacy
    )
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

fn host_of(url: &str) -> String {
    Url::parse(url)
        .ok()
        .and_then(|url| {
            Some(format!(
                "{}:{}",
                url.host_str()?,
                url.port_or_known_default().unwrap_or_default()
            ))
        })
        .unwrap_or_default()
}

/// [`AsRole`] is part of the public signature of purposes; named here so that a new role
/// makes one look at the plan.
const _: fn(AsRole) = |role| match role {
    AsRole::Origin
    | AsRole::OauthInserted
    | AsRole::OidcInserted
    | AsRole::OidcAppended
    | AsRole::OauthAppended
    | AsRole::OauthRoot
    | AsRole::OriginOidc => (),
};
