//! The wire form of every question (catalogue section 0.3).

use serde_json::{Value, json};
use url::Url;

use super::{Ask, FORWARDED_HOST, FormValue, HeaderValue, PREFLIGHT_HEADERS, PROBE_ORIGIN, Read};
use crate::evidence::{Exchange, ExchangeId, List, Operation, Purpose};
use crate::spec::Revision;

const MODERN: &str = Revision::HEADLINE.as_date();

/// Which way of speaking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Era {
    Modern,
    Legacy,
}

/// An MCP message to put.
#[derive(Debug, Clone)]
pub(super) enum Message {
    Discover,
    DiscoverAs(String),
    Initialize(&'static str),
    Initialized,
    List(Era, List),
    UnknownTool(Era),
    LegacyBogusVersion,
    VersionMismatch,
    MethodMismatch,
    MethodMissing,
    UnknownMethod,
    StraySession,
    UnknownSession,
    Batch,
    /// A tool that the owner named; as a continuation, with place for `requestState`.
    Call(Era, Operation, bool),
    /// A prompt of the same name, with place for `requestState`.
    GetPrompt(Operation),
    /// A resource, with place for its URI.
    ReadResource,
}

/// What messages are built from.
pub(super) struct Context<'p> {
    pub(super) endpoint: &'p str,
    pub(super) nonce: &'p str,
    pub(super) version: &'p str,
    pub(super) session: Option<ExchangeId>,
    pub(super) negotiated: Option<String>,
    pub(super) listed: Option<String>,
}

impl Context<'_> {
    fn id(&self, name: &str) -> String {
        format!("{name}-{}", self.nonce.get(..4).unwrap_or_default())
    }

    fn client(&self) -> Value {
        json!({ "name": "authdex", "version": self.version })
    }

    fn meta(&self, version: &str) -> Value {
        json!({
            "io.modelcontextprotocol/protocolVersion": version,
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": self.client(),
        })
    }

    fn tool(&self) -> String {
        format!(
            "authdex-nonexistent-{}",
            self.nonce.get(..16).unwrap_or_default()
        )
    }

    fn modern_version(&self) -> &str {
        self.listed.as_deref().unwrap_or(MODERN)
    }
}

pub(super) fn message(context: &Context<'_>, purpose: Purpose, message: Message) -> Ask {
    let (headers, body) = parts(context, message);
    let mut ask = Ask {
        method: "POST",
        headers: vec![
            ("content-type", plain("application/json")),
            ("accept", plain("application/json, text/event-stream")),
        ],
        body: Some(body.to_string()),
        read: Read::Message,
        ..document(purpose, context.endpoint.to_owned())
    };
    ask.headers.extend(headers);
    ask
}

type Headers = Vec<(&'static str, HeaderValue)>;

fn parts(context: &Context<'_>, message: Message) -> (Headers, Value) {
    match message {
        Message::Discover => discover(context, MODERN, MODERN),
        Message::DiscoverAs(version) => discover(context, &version, &version),
        Message::VersionMismatch => discover(context, MODERN, "2025-11-25"),
        Message::StraySession => {
            let (mut headers, body) = discover(context, MODERN, MODERN);
            headers.push(("mcp-session-id", plain(&stray_session(context.nonce))));
            (headers, body)
        }
        Message::Initialize(version) => (Vec::new(), initialize(context, version)),
        Message::Initialized => (
            legacy_headers(context),
            json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        ),
        Message::List(Era::Modern, list) => modern(context, list.method(), None, json!({})),
        Message::List(Era::Legacy, list) => (legacy_headers(context), legacy_list(context, list)),
        Message::UnknownTool(era) => {
            let tool = context.tool();
            let params = json!({ "name": tool, "arguments": {} });
            match era {
                Era::Modern => modern(context, "tools/call", Some(&tool), params),
                Era::Legacy => (
                    legacy_headers(context),
                    json!({ "jsonrpc": "2.0", "id": context.id("x16"), "method": "tools/call", "params": params }),
                ),
            }
        }
        Message::Call(era, operation, goes_on) => call(context, era, &operation, goes_on),
        Message::GetPrompt(operation) => modern(
            context,
            "prompts/get",
            Some(&operation.tool),
            json!({ "name": operation.tool, "requestState": "" }),
        ),
        Message::ReadResource => modern(context, "resources/read", None, json!({ "uri": "" })),
        Message::LegacyBogusVersion => {
            let mut headers = legacy_headers(context);
            for (name, value) in &mut headers {
                if *name == "mcp-protocol-version" {
                    *value = plain("1900-01-01");
                }
            }
            (headers, legacy_list(context, List::Tools))
        }
        Message::MethodMismatch => {
            let (mut headers, body) = modern(context, "tools/list", None, json!({}));
            for (name, value) in &mut headers {
                if *name == "mcp-method" {
                    *value = plain("prompts/list");
                }
            }
            (headers, body)
        }
        Message::MethodMissing => {
            let (mut headers, body) = modern(context, "tools/list", None, json!({}));
            headers.retain(|(name, _)| *name != "mcp-method");
            (headers, body)
        }
        Message::UnknownMethod => modern(context, "probe/unknown", None, json!({})),
        Message::UnknownSession => {
            let mut headers = legacy_headers(context);
            headers.retain(|(name, _)| *name != "mcp-session-id");
            headers.push(("mcp-session-id", plain(&stray_session(context.nonce))));
            (headers, legacy_list(context, List::Tools))
        }
        Message::Batch => (
            Vec::new(),
            Value::Array(vec![
                initialize(context, "2025-03-26"),
                legacy_list(context, List::Tools),
            ]),
        ),
    }
}

fn discover(context: &Context<'_>, header: &str, meta: &str) -> (Headers, Value) {
    let body = json!({
        "jsonrpc": "2.0",
        "id": context.id("x1"),
        "method": "server/discover",
        "params": { "_meta": context.meta(meta) },
    });
    (
        vec![
            ("mcp-protocol-version", plain(header)),
            ("mcp-method", plain("server/discover")),
        ],
        body,
    )
}

fn modern(
    context: &Context<'_>,
    method: &str,
    name: Option<&str>,
    mut params: Value,
) -> (Headers, Value) {
    let version = context.modern_version();
    params["_meta"] = context.meta(version);
    let mut headers = vec![
        ("mcp-protocol-version", plain(version)),
        ("mcp-method", plain(method)),
    ];
    if let Some(name) = name {
        headers.push(("mcp-name", plain(name)));
    }
    let body =
        json!({ "jsonrpc": "2.0", "id": context.id("x2"), "method": method, "params": params });
    (headers, body)
}

fn call(context: &Context<'_>, era: Era, operation: &Operation, goes_on: bool) -> (Headers, Value) {
    let tool = operation.tool.as_str();
    let mut params = json!({ "name": tool, "arguments": operation.arguments });
    if goes_on {
        params["requestState"] = "".into();
        params["inputResponses"] = Value::Object(operation.responses.clone());
    }
    match era {
        Era::Modern => modern(context, "tools/call", Some(tool), params),
        Era::Legacy => (
            legacy_headers(context),
            json!({ "jsonrpc": "2.0", "id": context.id("z"), "method": "tools/call", "params": params }),
        ),
    }
}

fn initialize(context: &Context<'_>, version: &str) -> Value {
    json!({
        "jsonrpc": "2.0",
        "id": context.id("x3"),
        "method": "initialize",
        "params": { "protocolVersion": version, "capabilities": {}, "clientInfo": context.client() },
    })
}

fn legacy_list(context: &Context<'_>, list: List) -> Value {
    json!({ "jsonrpc": "2.0", "id": context.id("x4"), "method": list.method(), "params": {} })
}

fn legacy_headers(context: &Context<'_>) -> Headers {
    let mut headers = vec![(
        "mcp-protocol-version",
        plain(context.negotiated.as_deref().unwrap_or("2025-11-25")),
    )];
    if let Some(session) = context.session {
        headers.push(("mcp-session-id", HeaderValue::Session(session)));
    }
    headers
}

/// A session id that no server issued: a UUID made of the scan's own random characters.
fn stray_session(nonce: &str) -> String {
    let hex: String = nonce
        .bytes()
        .chain(*b"authdexauthdexauthdexauthdexauth")
        .take(32)
        .map(|byte| char::from(b"0123456789abcdef"[usize::from(byte % 16)]))
        .collect();
    format!(
        "{}-{}-4{}-8{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[13..16],
        &hex[17..20],
        &hex[20..32]
    )
}

pub(super) fn document(purpose: Purpose, url: String) -> Ask {
    Ask {
        purpose,
        follows: None,
        method: "GET",
        url,
        headers: vec![("accept", plain("application/json"))],
        body: None,
        form: Vec::new(),
        query: Vec::new(),
        fill: Vec::new(),
        by_owner: false,
        read: Read::Document,
        fresh_connection: false,
        gap_ms: 0,
    }
}

pub(super) fn stream(purpose: Purpose, url: String) -> Ask {
    Ask {
        headers: vec![("accept", plain("text/event-stream"))],
        read: Read::Stream,
        ..document(purpose, url)
    }
}

pub(super) fn preflight(url: &str) -> Ask {
    Ask {
        method: "OPTIONS",
        headers: vec![
            ("origin", plain(PROBE_ORIGIN)),
            ("access-control-request-method", plain("POST")),
            ("access-control-request-headers", plain(PREFLIGHT_HEADERS)),
        ],
        ..document(Purpose::Preflight, url.to_owned())
    }
}

pub(super) fn end_session(
    purpose: Purpose,
    url: String,
    session: ExchangeId,
    version: String,
) -> Ask {
    Ask {
        method: "DELETE",
        headers: vec![
            ("mcp-protocol-version", HeaderValue::Plain(version)),
            ("mcp-session-id", HeaderValue::Session(session)),
        ],
        ..document(purpose, url)
    }
}

/// The same request at the end of a redirect, method and body kept.
pub(super) fn hop(exchange: &Exchange, to: &Url) -> Ask {
    let method = match exchange.asked.method.as_str() {
        "POST" => "POST",
        "OPTIONS" => "OPTIONS",
        "DELETE" => "DELETE",
        _ => "GET",
    };
    const KEPT: [&str; 6] = [
        "origin",
        "content-type",
        "accept",
        "mcp-protocol-version",
        "mcp-method",
        "mcp-name",
    ];
    let headers = exchange
        .asked
        .headers
        .iter()
        .filter_map(|(name, value)| {
            let name = KEPT.into_iter().find(|kept| kept == name)?;
            Some((name, plain(value)))
        })
        .collect();
    Ask {
        follows: Some(exchange.id),
        method,
        headers,
        body: exchange.asked.body.clone(),
        read: match exchange.purpose {
            Purpose::Discover | Purpose::Initialize => Read::Message,
            Purpose::EventStream | Purpose::SiblingStream => Read::Stream,
            _ => Read::Document,
        },
        ..document(exchange.purpose, to.to_string())
    }
}

/// A POST of JSON.
pub(super) fn post_json(purpose: Purpose, url: String, body: &Value) -> Ask {
    let mut ask = document(purpose, url);
    ask.method = "POST";
    ask.body = Some(body.to_string());
    with(ask, "content-type", "application/json")
}

/// A POST of a form.
pub(super) fn post_form(
    purpose: Purpose,
    url: String,
    form: Vec<(&'static str, FormValue)>,
) -> Ask {
    let mut ask = document(purpose, url);
    ask.method = "POST";
    ask.form = form;
    with(ask, "content-type", "application/x-www-form-urlencoded")
}

pub(super) fn with(mut ask: Ask, name: &'static str, value: &str) -> Ask {
    ask.headers.push((name, plain(value)));
    ask
}

pub(super) fn with_query(mut ask: Ask, name: &str, value: &str) -> Ask {
    let separator = if ask.url.contains('?') { '&' } else { '?' };
    ask.url.push_str(&format!("{separator}{name}={value}"));
    ask
}

/// X15: what a proxy would add, naming a host that does not exist.
pub(super) fn forwarded(ask: Ask) -> Ask {
    let forwarded = format!("host={FORWARDED_HOST};proto=http");
    let ask = with(ask, "x-forwarded-host", FORWARDED_HOST);
    let ask = with(ask, "forwarded", &forwarded);
    let ask = with(ask, "x-forwarded-proto", "http");
    let ask = with(ask, "x-original-host", FORWARDED_HOST);
    with(ask, "cache-control", "no-cache")
}

/// The same for a document, under a URL that no shared cache holds.
pub(super) fn forwarded_document(purpose: Purpose, url: &str, nonce: &str) -> Ask {
    let ask = document(purpose, url.to_owned());
    forwarded(with_query(ask, "authdex-probe", nonce))
}

fn plain(value: &str) -> HeaderValue {
    HeaderValue::Plain(value.to_owned())
}
