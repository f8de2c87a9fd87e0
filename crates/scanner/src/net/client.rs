//! One question of the plan becomes one exchange of the record.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{
    ACCEPT, COOKIE, FROM, HOST, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT,
};
use tokio::sync::watch;
use tokio::time::Instant;
use url::Url;

use super::cookies::Cookies;
use super::courtesy::Heard;
use super::doors::{self, Door, Doors};
use super::guard::Rule;
use super::pace::{Asking, Place, Turn};
use super::release::Places;
use super::retry::retry_after;
use super::settings::Settings;
use super::vault::Vault;
use super::{Shared, capture, failure, read, vault};
use crate::evidence::{
    Body, CodeUse, Exchange, ExchangeId, Failure, Phase, Purpose, Request, Response, TlsSeen,
};
use crate::ledger::Role;
use crate::plan::{self, Ask, Read};
use crate::redact;
use crate::target::Target;

/// The header that names a legacy session.
const SESSION: &str = "mcp-session-id";

/// One scan's side of the wire: its connections and what it must not write down.
pub(super) struct Client<'s> {
    pub(super) settings: &'s Settings,
    pub(super) doors: Doors<'s>,
    pub(super) agent: Option<HeaderValue>,
    home: Option<url::Origin>,
    /// The endpoint's host as it is paced.
    home_host: String,
    pub(super) began: Instant,
    /// The values of the operator's own headers.
    supplied: Vec<String>,
    /// Raw session ids by the exchange that issued them. Dropped with the scan.
    pub(super) sessions: Mutex<BTreeMap<ExchangeId, HeaderValue>>,
    /// What deeper questions need and the record does not keep.
    pub(super) vault: Vault,
    pub(super) cookies: Cookies,
    /// Where secrets may go.
    pub(super) places: Mutex<Places>,
    /// The probe values of this scan.
    pub(super) nonce: Mutex<String>,
    /// Requests under way that may create something.
    creating: watch::Sender<usize>,
    /// Id of the scan.
    pub(super) scan: String,
    /// What hosts said of being asked.
    pub(super) heard: Heard,
}

/// Where in the record an exchange goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    pub(super) id: ExchangeId,
    pub(super) attempt: u8,
}

/// What is needed to send one question.
struct Sending<'a> {
    ask: &'a Ask,
    url: Url,
    headers: HeaderMap,
    body: Option<String>,
    /// Names of headers of which only the length is recorded.
    added: Vec<HeaderName>,
}

impl<'s> Client<'s> {
    pub(super) fn new(shared: &'s Shared, target: &Target, scan: &str, began: Instant) -> Self {
        let settings = &shared.settings;
        Self {
            settings,
            doors: Doors::new(shared, &target.url),
            agent: HeaderValue::from_str(&settings.identity.user_agent(Some(scan))).ok(),
            home: Url::parse(&target.url).ok().map(|url| url.origin()),
            home_host: Url::parse(&target.url)
                .ok()
                .and_then(|url| doors::host_and_port(&url))
                .map(|(host, _)| host.trim_end_matches('.').to_owned())
                .unwrap_or_default(),
            began,
            supplied: settings
                .endpoint_headers
                .iter()
                .flat_map(|header| capture::secrets_of(header.value()))
                .collect(),
            sessions: Mutex::default(),
            vault: Vault::default(),
            cookies: Cookies::default(),
            places: Mutex::default(),
            nonce: Mutex::default(),
            creating: watch::channel(0).0,
            scan: scan.to_owned(),
            heard: Heard::default(),
        }
    }

    /// Where the host of this URL lives, as far as is known without asking.
    pub(super) fn place(&self, url: &str) -> Place {
        let known = Url::parse(url).ok().and_then(|url| self.doors.known(&url));
        match known {
            Some(place) => place,
            None if self.settings.guard.admits_private() => Place::Private,
            None => Place::Public,
        }
    }

    /// Puts one question, when it is the host's turn.
    pub(super) async fn exchange(&self, ask: &Ask, slot: Slot) -> Exchange {
        let mut exchange = Exchange {
            id: slot.id,
            purpose: ask.purpose,
            attempt: slot.attempt,
            follows: ask.follows,
            shared: None,
            asked: Request {
                method: ask.method.to_owned(),
                url: ask.url.clone(),
                headers: Vec::new(),
                body: vault::recorded_body(ask),
            },
            after_ms: millis(self.began.elapsed()),
            took_ms: 0,
            got: Err(doors::blocked(Rule::Invalid)),
        };
        vault::record_query(ask, &mut exchange.asked.url);
        exchange.got = self.put(ask, slot.id, &mut exchange).await;
        exchange
    }

    async fn put(
        &self,
        ask: &Ask,
        id: ExchangeId,
        exchange: &mut Exchange,
    ) -> Result<Response, Failure> {
        if ask.by_owner
            && let Some(browser) = &self.settings.browser
        {
            return self.by_browser(ask, id, &**browser, exchange).await;
        }
        let url = match self.vault.unblanked(ask) {
            Some(url) => url,
            None => Url::parse(&ask.url).map_err(|_| doors::blocked(Rule::Invalid))?,
        };
        let plaintext = ask.purpose == Purpose::Plaintext;
        let hello = matches!(ask.purpose, Purpose::Handshake(_));
        if self.is_barred(&url) {
            return Err(doors::blocked(Rule::OptOut));
        }
        let mut door = self.doors.to(&url, plaintext).await.inspect_err(|_| {
            if hello {
                return;
            }
            exchange.asked.headers = self.recorded(&self.sending(ask, &url, None));
        })?;
        self.may_ask(&url, &door, hello || plaintext).await?;
        let turn = self.turn(ask, &door).await?;
        // Somebody may have asked to be left out while this one waited.
        if self.is_barred(&url) {
            return Err(doors::blocked(Rule::OptOut));
        }
        let _creating = matches!(ask.purpose, Purpose::Register(_)).then(|| self.creating());
        exchange.after_ms = millis(self.began.elapsed());
        if let Purpose::Handshake(offer) = ask.purpose {
            let begun = super::instant();
            let got = self.handshake(offer, &door).await;
            exchange.took_ms = millis(begun.elapsed());
            return got;
        }
        if ask.fresh_connection {
            door = self.doors.afresh(&door)?;
        }
        let begun = super::instant();
        let answer = self.converse(ask, &url, door, begun, exchange).await;
        let got = match answer {
            Ok((door, mut response)) => {
                let headers = response.headers();
                // First of all, so that what is recorded of it is blanked.
                self.vault.keep_location(ask.purpose, id, &url, headers);
                self.cookies.keep(ask, id, headers);
                let head = self.head(&url, &door, &response);
                self.keep_session(id, headers);
                if let Some(turn) = &turn {
                    self.tell_pace(turn, &response);
                }
                match head {
                    Ok(head) => self.whole(ask, id, head, begun, &mut response).await,
                    Err(failure) => Err(failure),
                }
            }
            Err(failure) => {
                if let (Some(turn), false) = (&turn, matches!(failure, Failure::Blocked(_))) {
                    turn.failed();
                }
                Err(failure)
            }
        };
        exchange.took_ms = millis(begun.elapsed());
        got
    }

    /// Waits for the host's turn. The redemption that is to meet another one under way goes
    /// along in that one's turn.
    async fn turn(&self, ask: &Ask, door: &Door) -> Result<Option<Turn>, Failure> {
        if ask.purpose == Purpose::Redeem(CodeUse::Parallel) {
            return Ok(None);
        }
        let host = door.host.trim_end_matches('.');
        let asking = Asking {
            host,
            place: door.place,
            gap: Duration::from_millis(u64::from(ask.gap_ms)),
            role: if host == self.home_host {
                Role::Endpoint
            } else {
                Role::AuthorizationServer
            },
            address: door.addresses.first().map(std::net::SocketAddr::ip),
        };
        let turn = self.settings.pace.turn_for(&asking).await;
        turn.map(Some)
            .map_err(|closed| doors::blocked(Rule::of_refusal(closed.why)))
    }

    /// Resolves when no request is under way that may create something.
    pub(super) async fn nothing_is_created(&self) {
        let mut under_way = self.creating.subscribe();
        // Cannot fail: the sender lives as long as `self`.
        let _ = under_way.wait_for(|count| *count == 0).await;
    }

    fn creating(&self) -> Creating<'_> {
        self.creating.send_modify(|count| *count += 1);
        Creating(&self.creating)
    }

    /// Sends, and sends once more where the catalogue says so: without validation after a
    /// certificate that does not validate, over HTTP/2 to a server that wants nothing else.
    async fn converse(
        &self,
        ask: &Ask,
        url: &Url,
        mut door: Arc<Door>,
        begun: Instant,
        exchange: &mut Exchange,
    ) -> Result<(Arc<Door>, reqwest::Response), Failure> {
        let until = begun
            + match ask.read {
                Read::Stream => self.settings.timeouts.idle_stream,
                Read::Document | Read::Message => self.settings.timeouts.first_byte,
            };
        loop {
            if self.withholds(ask, url, &door) {
                exchange.asked.headers = self.recorded(&self.sending(ask, url, None));
                return Err(doors::blocked(Rule::Secret));
            }
            let sending = self.sending(ask, url, Some(&door));
            exchange.asked.headers = self.recorded(&sending);
            let request = door.client.execute(sending.request());
            let fault = match tokio::time::timeout_at(until, request).await {
                Ok(Ok(response)) => return Ok((door, response)),
                Ok(Err(fault)) => fault,
                Err(_) => return Err(Failure::Timeout(Phase::FirstByte)),
            };
            let verdicts = &self.doors.verdicts;
            if failure::is_certificate(&fault) && verdicts.refused(&door.host).is_some() {
                self.mend(&door.host).await;
                continue;
            }
            if failure::wants_other_protocol(&fault)
                && let Some(other) = self.doors.over_http2(&door)
            {
                door = other;
                continue;
            }
            return Err(failure::of_request(&fault, url.scheme() == "https"));
        }
    }

    fn sending<'a>(&self, ask: &'a Ask, url: &Url, door: Option<&Door>) -> Sending<'a> {
        let mut headers = HeaderMap::new();
        let mut sent = url.clone();
        sent.set_fragment(None);
        for (name, secret) in &ask.query {
            if let Some(value) = self.secret(secret, door) {
                sent.query_pairs_mut().append_pair(name, &value);
            }
        }
        if let Some(host) = door.and_then(|door| door.host_header.clone()) {
            headers.insert(HOST, host);
            // Cannot fail: the URL has a host and no scheme without one.
            let _ = sent.set_port(None);
        }
        if let Some(agent) = &self.agent {
            headers.insert(USER_AGENT, agent.clone());
        }
        let contact = self.settings.identity.contact.as_deref();
        if let Some(contact) = contact.and_then(|contact| HeaderValue::from_str(contact).ok()) {
            headers.insert(FROM, contact);
        }
        for (name, value) in &ask.headers {
            let value = match value {
                plan::HeaderValue::Plain(text) => HeaderValue::from_str(text).ok(),
                plan::HeaderValue::Session(id) => self.session(*id),
                plan::HeaderValue::Bearer(secret) => self
                    .secret(secret, door)
                    .and_then(|token| HeaderValue::from_str(&format!("Bearer {token}")).ok()),
                plan::HeaderValue::Basic(client, secret) => {
                    self.secret(secret, door).and_then(|secret| {
                        let value = basic(client, &secret);
                        self.vault
                            .remember(value.trim_start_matches("Basic ").to_owned());
                        HeaderValue::from_str(&value).ok()
                    })
                }
                plan::HeaderValue::Secret(secret) => self
                    .secret(secret, door)
                    .and_then(|value| HeaderValue::from_str(&value).ok()),
            };
            if let Some(value) = value {
                headers.append(HeaderName::from_static(name), value);
            }
        }
        if let Some(cookies) = self.cookies.of(ask) {
            headers.insert(COOKIE, cookies);
        }
        headers
            .entry(ACCEPT)
            .or_insert(HeaderValue::from_static("*/*"));
        let mut added = self.add_operators(&mut headers, url, door);
        let secret = ask
            .headers
            .iter()
            .filter(|(_, value)| matches!(value, plan::HeaderValue::Secret(_)));
        added.extend(secret.map(|(name, _)| HeaderName::from_static(name)));
        Sending {
            ask,
            url: sent,
            headers,
            body: self.payload(ask, door),
            added,
        }
    }

    /// The operator's own headers: to the endpoint's origin only, never in place of a probe
    /// value, never over a connection whose certificate did not validate.
    fn add_operators(
        &self,
        headers: &mut HeaderMap,
        url: &Url,
        door: Option<&Door>,
    ) -> Vec<HeaderName> {
        let Some(door) = door else { return Vec::new() };
        if Some(url.origin()) != self.home || self.doors.verdicts.tolerates(&door.host) {
            return Vec::new();
        }
        let mut added = Vec::new();
        for header in &self.settings.endpoint_headers {
            if headers.contains_key(header.name()) && !added.contains(header.name()) {
                continue;
            }
            headers.append(header.name(), header.value().clone());
            added.push(header.name().clone());
        }
        added
    }

    /// The headers as evidence keeps them.
    fn recorded(&self, sending: &Sending<'_>) -> Vec<(String, String)> {
        capture::request_headers(&sending.headers, &sending.added)
    }

    /// The response without its body, redacted.
    fn head(
        &self,
        url: &Url,
        door: &Door,
        response: &reqwest::Response,
    ) -> Result<Response, Failure> {
        let peer = response.remote_addr();
        if let Some(peer) = peer
            && !door.addresses.is_empty()
            && !door.addresses.contains(&peer)
        {
            return Err(doors::blocked(Rule::Peer));
        }
        capture::within_limits(response.headers(), &self.settings.caps)?;
        let tls = (url.scheme() == "https").then(|| self.tls(door, response));
        Ok(Response {
            status: response.status().as_u16(),
            http: capture::version(response.version()).to_owned(),
            headers: self.with_sessions(|earlier| {
                let held = self.vault.values(&self.settings.credentials);
                let secrets: Vec<String> = self.supplied.iter().cloned().chain(held).collect();
                capture::response_headers(response.headers(), earlier, &secrets)
            }),
            body: Body::default(),
            // Behind a proxy the peer is the proxy, which says nothing about the server.
            peer: peer
                .map(|peer| peer.ip())
                .filter(|_| !door.addresses.is_empty()),
            tls: tls.flatten(),
            hello: None,
        })
    }

    fn tls(&self, door: &Door, response: &reqwest::Response) -> Option<TlsSeen> {
        let info = response.extensions().get::<reqwest::tls::TlsInfo>()?;
        let version = match info.version() {
            Some(reqwest::tls::Version::TLS_1_3) => "1.3",
            Some(reqwest::tls::Version::TLS_1_2) => "1.2",
            _ => "",
        };
        Some(
            self.doors
                .verdicts
                .seen(&door.host, info.peer_certificate()?, version),
        )
    }

    /// The response with its body.
    async fn whole(
        &self,
        ask: &Ask,
        id: ExchangeId,
        mut head: Response,
        begun: Instant,
        response: &mut reqwest::Response,
    ) -> Result<Response, Failure> {
        let limits = (&self.settings.caps, &self.settings.timeouts);
        let media = head.media_type();
        let manner = read::manner(
            ask.read,
            media.as_deref(),
            ask.body.as_deref(),
            begun,
            limits,
        );
        head.body = read::body(response, &manner).await?;
        let supplied = &self.settings.credentials;
        self.vault
            .keep_members(ask.purpose, id, &head.body, supplied);
        if matches!(ask.purpose, Purpose::Owner(_)) {
            let stream = media.as_deref() == Some("text/event-stream");
            let nonce = self.nonce.lock().unwrap_or_else(PoisonError::into_inner);
            let text = std::mem::take(&mut head.body.text);
            head.body.text = redact::results::reduced(&text, stream, &nonce);
            head.body.base64 = false;
        }
        capture::body(&mut head.body, &self.echoable());
        Ok(head)
    }

    /// What a server knows of us that must not come back in a body.
    fn echoable(&self) -> Vec<String> {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let sessions = sessions.values().flat_map(capture::secrets_of);
        let held = self.vault.values(&self.settings.credentials);
        self.supplied
            .iter()
            .cloned()
            .chain(sessions)
            .chain(held)
            .collect()
    }

    fn tell_pace(&self, turn: &Turn, response: &reqwest::Response) {
        let wait = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| retry_after(value, self.settings.clock.now()));
        turn.answered(response.status().as_u16(), wait);
    }

    // --- sessions ---------------------------------------------------------------------

    fn keep_session(&self, id: ExchangeId, headers: &HeaderMap) {
        if let Some(value) = headers.get(SESSION) {
            self.sessions
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(id, value.clone());
        }
    }

    fn session(&self, id: ExchangeId) -> Option<HeaderValue> {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.get(&id).cloned()
    }

    /// Calls with the session ids that were issued so far, in order.
    fn with_sessions<T>(&self, with: impl FnOnce(&[&str]) -> T) -> T {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let earlier: Vec<&str> = sessions
            .values()
            .filter_map(|value| value.to_str().ok())
            .collect();
        with(&earlier)
    }
}

/// A request under way that may create something.
struct Creating<'c>(&'c watch::Sender<usize>);

impl Drop for Creating<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl Sending<'_> {
    fn request(&self) -> reqwest::Request {
        let method = self.ask.method.parse().unwrap_or(reqwest::Method::GET);
        let mut request = reqwest::Request::new(method, self.url.clone());
        *request.headers_mut() = self.headers.clone();
        *request.body_mut() = self.body.clone().map(reqwest::Body::from);
        request
    }
}

/// RFC 6749 section 2.3.1: both parts form-encoded, then Basic.
fn basic(client: &str, secret: &str) -> String {
    use base64::Engine as _;
    let encode =
        |text: &str| -> String { url::form_urlencoded::byte_serialize(text.as_bytes()).collect() };
    let pair = format!("{}:{}", encode(client), encode(secret));
    format!(
        "Basic {}",
        base64::engine::general_purpose::STANDARD.encode(pair)
    )
}

pub(super) fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
