//! What kind of answer an exchange got (catalogue section 0.5), and the JSON-RPC message
//! in it.

use serde_json::Value;
use url::Url;

use super::challenge::{self, Challenge, Challenges};
use super::json;
use super::sse;
use crate::check::{Cause, Place};
use crate::evidence::{Exchange, Failure, Purpose, Response};

/// Outcome class of one exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// 2xx with a JSON-RPC result.
    Open,
    /// 401.
    Challenge,
    /// 403, and not an intermediary's.
    Forbid,
    /// A redirect to a sign-in page, or a page with a sign-in form.
    Login,
    /// Another redirect.
    Redirect,
    /// A JSON-RPC error, whatever the status.
    RpcError,
    /// 404, 405 or 410 without JSON-RPC.
    Miss,
    /// Something in front of the server answered, or 429.
    Block,
    /// 5xx without JSON-RPC.
    Fault,
    /// No response.
    Net,
    /// Anything else.
    Other,
}

impl Outcome {
    /// The upper-case name of the catalogue.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Challenge => "CHALLENGE",
            Self::Forbid => "FORBID",
            Self::Login => "LOGIN",
            Self::Redirect => "REDIRECT",
            Self::RpcError => "RPCERR",
            Self::Miss => "MISS",
            Self::Block => "BLOCK",
            Self::Fault => "FAULT",
            Self::Net => "NET",
            Self::Other => "OTHER",
        }
    }
}

/// A JSON-RPC response message.
#[derive(Debug, Clone, PartialEq)]
pub enum Rpc {
    /// `result`
    Result(Value),
    /// `error`
    Error {
        /// `error.code`
        code: i64,
        /// `error.message`
        message: String,
        /// `error.data`, or null.
        data: Value,
    },
}

/// An exchange, read.
#[derive(Debug, Clone)]
pub struct Answer<'e> {
    /// The record.
    pub exchange: &'e Exchange,
    /// Its class.
    pub outcome: Outcome,
    /// Its `WWW-Authenticate` lines.
    pub challenges: Challenges,
    /// The JSON-RPC message in it, if there is one.
    pub rpc: Option<Rpc>,
}

impl<'e> Answer<'e> {
    /// Reads an exchange.
    #[must_use]
    pub fn of(exchange: &'e Exchange) -> Self {
        let (challenges, rpc) = match &exchange.got {
            Ok(response) => {
                let lines: Vec<&str> = response.headers_named("www-authenticate").collect();
                (challenge::parse(&lines), rpc_of(exchange, response))
            }
            Err(_) => (Challenges::default(), None),
        };
        let outcome = classify(exchange, rpc.as_ref());
        Self {
            exchange,
            outcome,
            challenges,
            rpc,
        }
    }

    /// The response, if there was one.
    #[must_use]
    pub fn response(&self) -> Option<&'e Response> {
        self.exchange.got.as_ref().ok()
    }

    /// The status, if there was a response.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.response().map(|response| response.status)
    }

    /// The failure, if there was no response.
    #[must_use]
    pub fn failure(&self) -> Option<&'e Failure> {
        self.exchange.got.as_ref().err()
    }

    /// The result of a JSON-RPC response with a 2xx status.
    #[must_use]
    pub fn result(&self) -> Option<&Value> {
        match (&self.rpc, self.outcome) {
            (Some(Rpc::Result(value)), Outcome::Open) => Some(value),
            _ => None,
        }
    }

    /// The request was served: a JSON-RPC result, or an event stream where one was asked
    /// for with GET.
    #[must_use]
    pub fn served(&self) -> bool {
        self.result().is_some()
            || (self.exchange.asked.method == "GET"
                && self.response().is_some_and(|response| {
                    response.status == 200
                        && response.media_type().as_deref() == Some("text/event-stream")
                }))
    }

    /// The code of a JSON-RPC error.
    #[must_use]
    pub fn error_code(&self) -> Option<i64> {
        match &self.rpc {
            Some(Rpc::Error { code, .. }) => Some(*code),
            _ => None,
        }
    }

    /// The first Bearer or DPoP challenge.
    #[must_use]
    pub fn token_challenge(&self) -> Option<&Challenge> {
        self.challenges
            .list
            .iter()
            .find(|challenge| challenge.takes_tokens())
    }

    /// A parameter (lower case) of the Bearer and DPoP challenges, the first that has it.
    #[must_use]
    pub fn token_param(&self, name: &str) -> Option<&str> {
        self.challenges
            .list
            .iter()
            .filter(|challenge| challenge.takes_tokens())
            .find_map(|challenge| challenge.param(name))
    }

    /// The field line of the token challenge; the status line if there is none.
    #[must_use]
    pub fn challenge_place(&self) -> Place {
        self.token_challenge().map_or_else(
            || Place::status(self.exchange.id),
            |challenge| self.line_place(challenge.line),
        )
    }

    /// The n-th `WWW-Authenticate` field line.
    #[must_use]
    pub fn line_place(&self, line: usize) -> Place {
        Place::new(self.exchange.id, format!("header:www-authenticate[{line}]"))
    }

    /// A 401, or a 403 with a token challenge or an OAuth error body.
    #[must_use]
    pub fn refuses_for_credentials(&self) -> bool {
        match self.outcome {
            Outcome::Challenge => true,
            Outcome::Forbid => self.forbids_with_oauth(),
            _ => false,
        }
    }

    /// A 403 that carries a token challenge or an OAuth error body (`{"error": "…"}` with a
    /// code of RFC 6750 or RFC 6749).
    #[must_use]
    pub fn forbids_with_oauth(&self) -> bool {
        self.challenges
            .list
            .iter()
            .any(challenge::Challenge::takes_tokens)
            || self
                .json_object()
                .and_then(|object| object.get("error")?.as_str().map(str::to_owned))
                .is_some_and(|code| {
                    matches!(
                        code.as_str(),
                        "invalid_token"
                            | "insufficient_scope"
                            | "invalid_request"
                            | "unauthorized"
                            | "unauthorized_client"
                            | "access_denied"
                    )
                })
    }

    /// Status or body speaks of missing authentication: 401 or 403, or one of the words
    /// unauthorized, unauthenticated, authentication, login, access token (section 0.1).
    #[must_use]
    pub fn speaks_of_authentication(&self) -> bool {
        let Some(response) = self.response() else {
            return false;
        };
        if matches!(response.status, 401 | 403) {
            return true;
        }
        let body = response.body.text.to_ascii_lowercase();
        [
            "unauthorized",
            "unauthenticated",
            "authentication",
            "login",
            "access token",
            "access_token",
        ]
        .iter()
        .any(|word| body.contains(word))
    }

    /// The body as a JSON object, whatever the media type.
    #[must_use]
    pub fn json_object(&self) -> Option<serde_json::Map<String, Value>> {
        match json::parse(&self.response()?.body.text).ok()?.value {
            Value::Object(object) => Some(object),
            _ => None,
        }
    }

    /// Where a redirect leads, resolved against the request's URL.
    #[must_use]
    pub fn location(&self) -> Option<Url> {
        location(self.exchange)
    }
}

/// Why a body could not be read although it came: it passed its cap, it came in a content
/// coding (none is offered, but a server may send one all the same, RFC 9110 section 12.5.3),
/// or it is nested deeper than [`json::MAX_DEPTH`]. What it says then cannot be told.
#[must_use]
pub fn unread(response: &Response) -> Option<Cause> {
    let coded = || {
        response
            .headers_named("content-encoding")
            .flat_map(|line| line.split(','))
            .any(|coding| !matches!(coding.trim().to_ascii_lowercase().as_str(), "" | "identity"))
    };
    if response.body.truncated {
        Some(Cause::Truncated)
    } else if response.body.base64 {
        coded().then_some(Cause::Other("content_coding"))
    } else {
        json::is_too_deep(&response.body.text).then_some(Cause::Other("too_deep"))
    }
}

/// Where a redirect leads, resolved against the request's URL.
#[must_use]
pub fn location(exchange: &Exchange) -> Option<Url> {
    let response = exchange.got.as_ref().ok()?;
    if !matches!(response.status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    Url::parse(&exchange.asked.url)
        .ok()?
        .join(response.header("location")?)
        .ok()
}

fn classify(exchange: &Exchange, rpc: Option<&Rpc>) -> Outcome {
    let response = match &exchange.got {
        Ok(response) => response,
        Err(_) => return Outcome::Net,
    };
    if is_block(response) {
        return Outcome::Block;
    }
    match (response.status, rpc) {
        (401, _) => Outcome::Challenge,
        (403, _) => Outcome::Forbid,
        (200..=299, Some(Rpc::Result(_))) => Outcome::Open,
        (_, Some(Rpc::Error { .. })) => Outcome::RpcError,
        (301 | 302 | 303 | 307 | 308, _) => match location(exchange) {
            Some(to) if leads_to_sign_in(&exchange.asked.url, &to) => Outcome::Login,
            Some(_) => Outcome::Redirect,
            None => Outcome::Other,
        },
        (404 | 405 | 410, _) => Outcome::Miss,
        (500..=599, _) => Outcome::Fault,
        (200..=299, _) if is_sign_in_page(response) => Outcome::Login,
        _ => Outcome::Other,
    }
}

/// A 403 whose body is the one that a random path of the same host got comes from something in
/// front of the server (catalogue section 0.5): its outcome becomes BLOCK.
pub(super) fn recognise_gate(answers: &mut [Answer<'_>]) {
    let forbidden = |answer: &Answer<'_>| {
        let response = answer
            .response()
            .filter(|response| response.status == 403)?;
        let host = Url::parse(&answer.exchange.asked.url)
            .ok()?
            .host_str()?
            .to_owned();
        (!response.body.text.is_empty()).then(|| (host, response.body.text.clone()))
    };
    let gate = answers
        .iter()
        .rfind(|answer| answer.exchange.purpose == Purpose::RandomWellKnown)
        .and_then(forbidden);
    let Some(gate) = gate else { return };
    for answer in answers {
        let challenges = answer.challenges.list.iter().any(Challenge::takes_tokens);
        if answer.outcome == Outcome::Forbid
            && !challenges
            && forbidden(answer).is_some_and(|got| got == gate)
        {
            answer.outcome = Outcome::Block;
        }
    }
}

/// Whether an intermediary's mark is on the response (catalogue section 0.5).
#[must_use]
pub fn is_block(response: &Response) -> bool {
    if response.status == 429 {
        return true;
    }
    let server = response
        .header("server")
        .unwrap_or_default()
        .to_ascii_lowercase();
    let html = is_html(response);
    let body = || response.body.text.to_ascii_lowercase();
    if response.header("cf-mitigated") == Some("challenge")
        || response.header("x-vercel-mitigated").is_some()
        || response.header("x-amzn-waf-action").is_some()
        || response.header("x-sucuri-block").is_some()
    {
        return true;
    }
    if matches!(response.status, 403 | 503) {
        if response.header("x-iinfo").is_some()
            || response
                .header("x-cdn")
                .is_some_and(|cdn| cdn.eq_ignore_ascii_case("imperva"))
        {
            return true;
        }
        if html && server.contains("cloudflare") {
            let body = body();
            if body.contains("challenge-platform")
                || body.contains("cf-chl")
                || body.contains("attention required")
            {
                return true;
            }
        }
        if html && server.contains("akamaighost") && body().contains("reference&#32;&#35;")
            || html && server.contains("akamaighost") && body().contains("reference #")
        {
            return true;
        }
    }
    html && matches!(response.status, 200 | 202 | 403 | 405 | 503) && {
        let body = body();
        [
            "hcaptcha.com/1/api.js",
            "recaptcha/api.js",
            "challenges.cloudflare.com/turnstile",
            "geo.captcha-delivery.com",
        ]
        .iter()
        .any(|script| body.contains(script))
    }
}

pub(crate) fn is_html(response: &Response) -> bool {
    match response.media_type() {
        Some(media) => media == "text/html" || media == "application/xhtml+xml",
        None => {
            let start = response
                .body
                .text
                .trim_start()
                .get(..14)
                .unwrap_or_default();
            start.to_ascii_lowercase().starts_with("<!doctype html") || start.starts_with("<html")
        }
    }
}

fn leads_to_sign_in(from: &str, to: &Url) -> bool {
    // A route that only adds or removes a slash (or changes the scheme) signs nobody in, even
    // where the endpoint itself stands below a path such as /oauth/.
    let bare = |path: &str| path.trim_end_matches('/').to_ascii_lowercase();
    if Url::parse(from)
        .is_ok_and(|from| from.host_str() == to.host_str() && bare(from.path()) == bare(to.path()))
    {
        return false;
    }
    let path = to.path().to_ascii_lowercase();
    let host = to.host_str().unwrap_or_default().to_ascii_lowercase();
    let path_says = [
        "/login",
        "/signin",
        "/sign-in",
        "/sign_in",
        "/oauth2/",
        "/oauth/",
        "/authorize",
        "/auth/",
        "/sso",
        "/saml",
        "/cdn-cgi/access/",
        "/.auth/",
        "/idp/",
    ]
    .iter()
    .any(|mark| path.contains(mark))
        || path.ends_with("/auth");
    let other_host = Url::parse(from)
        .ok()
        .and_then(|from| {
            from.host_str()
                .map(|from| from.to_ascii_lowercase() != host)
        })
        .unwrap_or(false);
    let host_says = other_host
        && ([
            "login.",
            "accounts.",
            "auth.",
            "sso.",
            "signin.",
            "idp.",
            "id.",
        ]
        .iter()
        .any(|mark| host.starts_with(mark))
            || host.ends_with(".cloudflareaccess.com"));
    path_says || host_says
}

fn is_sign_in_page(response: &Response) -> bool {
    if !is_html(response) {
        return false;
    }
    let body = response.body.text.to_ascii_lowercase();
    body.contains("type=\"password\"")
        || body.contains("type='password'")
        || body.contains("name=\"samlrequest\"")
        || (body.contains("<form") && (body.contains("sign in") || body.contains("log in")))
        || (body.contains("window.location")
            && (body.contains("/login") || body.contains("/oauth2/")))
}

/// The JSON-RPC response in a body: of the whole body, or of the first event that answers
/// the request's id (any event with a result or an error, if none does).
fn rpc_of(exchange: &Exchange, response: &Response) -> Option<Rpc> {
    let text = &response.body.text;
    if response.body.base64 || text.is_empty() {
        return None;
    }
    if response.media_type().as_deref() != Some("text/event-stream") {
        return message(&json::parse(text).ok()?.value);
    }
    let asked_id = exchange
        .asked
        .body
        .as_deref()
        .and_then(|body| json::parse(body).ok())
        .and_then(|body| body.value.get("id").cloned());
    let mut first = None;
    for event in sse::events(text) {
        let Ok(data) = json::parse(&event.data) else {
            continue;
        };
        let Some(found) = message(&data.value) else {
            continue;
        };
        if asked_id.is_some() && data.value.get("id") == asked_id.as_ref() {
            return Some(found);
        }
        first.get_or_insert(found);
    }
    first
}

fn message(value: &Value) -> Option<Rpc> {
    let object = value.as_object()?;
    if let Some(error) = object.get("error").and_then(Value::as_object) {
        // An OAuth error body has `error` as a string; JSON-RPC has an object with a code.
        return Some(Rpc::Error {
            code: error.get("code")?.as_i64()?,
            message: error
                .get("message")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            data: error.get("data").cloned().unwrap_or(Value::Null),
        });
    }
    if object.get("jsonrpc").is_some() || object.contains_key("id") {
        return object.get("result").cloned().map(Rpc::Result);
    }
    None
}
