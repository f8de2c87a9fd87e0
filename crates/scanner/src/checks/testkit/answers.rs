//! What the compliant world answers, and how a case says something else.

use serde_json::{Value, json};

use super::{Answer, ENDPOINT, ISSUER, PRM_URL, STARTED};
use crate::evidence::{Body, Hello, Offer, Response, TlsSeen};
use crate::plan::{Ask, HeaderValue};

pub(crate) fn response(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut response = Response {
        status,
        http: "1.1".into(),
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        body: Body::default(),
        peer: None,
        tls: None,
        hello: None,
    };
    set_body(&mut response, body);
    Ok(response)
}

pub(crate) fn set_body(response: &mut Response, body: &str) {
    response.body = Body {
        text: body.to_owned(),
        base64: false,
        truncated: false,
        bytes: body.len() as u64,
    };
}

pub(crate) fn status(status: u16) -> Answer {
    response(
        status,
        &[(
            "strict-transport-security",
            "max-age=31536000; includeSubDomains",
        )],
        "",
    )
}

pub(crate) fn text(status: u16, media: &str, body: &str) -> Answer {
    response(status, &[("content-type", media)], body)
}

pub(crate) fn challenge(value: &str) -> Answer {
    response(
        401,
        &[
            ("www-authenticate", value),
            (
                "strict-transport-security",
                "max-age=31536000; includeSubDomains",
            ),
            ("content-type", "application/json"),
        ],
        r#"{"error":"unauthorized"}"#,
    )
}

pub(crate) fn good_challenge(error: Option<&str>) -> String {
    let error = error
        .map(|error| format!("error=\"{error}\", "))
        .unwrap_or_default();
    format!("Bearer {error}resource_metadata=\"{PRM_URL}\", scope=\"mcp:read\"")
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "bodies are written where they are passed"
)]
pub(crate) fn document(body: Value) -> Answer {
    response(
        200,
        &[
            ("content-type", "application/json"),
            ("cache-control", "public, max-age=3600"),
            ("access-control-allow-origin", "*"),
            (
                "strict-transport-security",
                "max-age=31536000; includeSubDomains",
            ),
        ],
        &body.to_string(),
    )
}

pub(super) fn preflight() -> Answer {
    response(
        204,
        &[(
            "strict-transport-security",
            "max-age=31536000; includeSubDomains",
        )],
        "",
    )
}

pub(crate) fn prm() -> Value {
    json!({
        "resource": ENDPOINT,
        "resource_name": "Example notes",
        "authorization_servers": [ISSUER],
        "scopes_supported": ["mcp:read"],
        "bearer_methods_supported": ["header"],
    })
}

pub(crate) fn asm() -> Value {
    json!({
        "issuer": ISSUER,
        "authorization_endpoint": "https://id.example.com/authorize",
        "token_endpoint": "https://id.example.com/token",
        "registration_endpoint": "https://id.example.com/register",
        "jwks_uri": "https://id.example.com/jwks",
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": ["none"],
        "code_challenge_methods_supported": ["S256"],
        "client_id_metadata_document_supported": true,
        "authorization_response_iss_parameter_supported": true,
        "scopes_supported": ["mcp:read", "offline_access"],
    })
}

pub(crate) fn jwks() -> Value {
    json!({ "keys": [{
        "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": "k1",
        "x": "K5VVxLMgebO537oMLE5JY04zbGm1L6rgylpXTgoEgAw",
        "y": "nMsZ_A7hFxbYbyVgwP1BbC21FaRTKIzelP2KgnrzHMY",
    }] })
}

/// What a well configured host says to a hello made by hand.
pub(super) fn good_hello(offer: Offer) -> Option<Hello> {
    match offer {
        Offer::Ordinary => None,
        Offer::Old => Some(Hello::Alert(70)),
        Offer::Weak | Offer::Broken => Some(Hello::Alert(40)),
        Offer::Tls13 => Some(Hello::Chosen {
            version: 0x0304,
            suite: 0x1301,
            group: Some(0x001d),
        }),
    }
}

pub(super) fn good_tls(url: &str) -> TlsSeen {
    let host = url::Url::parse(url)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned))
        .unwrap_or_default();
    TlsSeen {
        version: "1.3".into(),
        leaf_sha256: "00".repeat(32),
        names: vec![host],
        issuer: "CN=Example CA".into(),
        not_before: STARTED.plus(-30 * 86_400_000),
        not_after: STARTED.plus(60 * 86_400_000),
        fault: None,
        repaired_from: None,
    }
}

pub(super) fn speak(ask: &Ask, modern: bool, legacy: bool) -> Option<Answer> {
    let body: Value = serde_json::from_str(ask.body.as_deref()?).ok()?;
    if body.is_array() {
        return Some(status(400));
    }
    let method = body.get("method")?.as_str()?.to_owned();
    let id = body.get("id").cloned().unwrap_or(Value::Null);
    let rpc = |status: u16, body: Value| {
        response(
            status,
            &[("content-type", "application/json")],
            &body.to_string(),
        )
    };
    let ok = |result: Value| {
        Some(rpc(
            200,
            json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        ))
    };
    let error = |status: u16, code: i64, data: Value| {
        Some(rpc(
            status,
            json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": "refused", "data": data } }),
        ))
    };
    let versions = json!(["2026-07-28"]);
    let in_meta = body
        .pointer("/params/_meta/io.modelcontextprotocol~1protocolVersion")
        .and_then(Value::as_str);
    if let Some(version) = in_meta {
        if !modern {
            return error(400, -32000, Value::Null);
        }
        let header = header(ask, "mcp-protocol-version");
        if header != Some(version) || header_method(ask) != Some(method.as_str()) {
            return error(400, -32020, Value::Null);
        }
        if version != "2026-07-28" {
            return error(
                400,
                -32022,
                json!({ "supported": versions, "requested": version }),
            );
        }
        return match method.as_str() {
            "server/discover" => ok(json!({
                "resultType": "complete",
                "supportedVersions": versions,
                "capabilities": { "tools": {} },
                "ttlMs": 1000,
                "cacheScope": "public",
                "_meta": { "io.modelcontextprotocol/serverInfo": { "name": "open", "version": "1" } },
            })),
            "tools/list" => ok(json!({ "resultType": "complete", "tools": tools() })),
            "tools/call" => error(200, -32602, Value::Null),
            _ => error(404, -32601, Value::Null),
        };
    }
    if !legacy {
        return error(
            400,
            -32022,
            json!({ "supported": versions, "requested": "2025-11-25" }),
        );
    }
    match method.as_str() {
        "initialize" => ok(json!({
            "protocolVersion": "2025-11-25",
            "capabilities": { "tools": {} },
            "serverInfo": { "name": "open", "version": "1" },
        })),
        "notifications/initialized" => Some(status(202)),
        _ if header(ask, "mcp-protocol-version") == Some("1900-01-01") => Some(status(400)),
        "tools/list" => ok(json!({ "tools": tools() })),
        "tools/call" => error(200, -32602, Value::Null),
        _ => error(200, -32601, Value::Null),
    }
}

/// One read-only tool.
pub(crate) fn tools() -> Value {
    json!([{
        "name": "lookup",
        "description": "Looks a word up.",
        "inputSchema": { "type": "object", "properties": { "word": { "type": "string" } } },
        "annotations": { "readOnlyHint": true },
    }])
}

// --- reading asks ---------------------------------------------------------------------------------

pub(crate) fn is_endpoint(ask: &Ask) -> bool {
    without_query(&ask.url) == ENDPOINT
}

pub(crate) fn without_query(url: &str) -> &str {
    url.split('?').next().unwrap_or(url)
}

pub(crate) fn header<'a>(ask: &'a Ask, name: &str) -> Option<&'a str> {
    ask.headers.iter().find_map(|(key, value)| match value {
        HeaderValue::Plain(value) if *key == name => Some(value.as_str()),
        _ => None,
    })
}

pub(crate) fn has_header(ask: &Ask, name: &str) -> bool {
    ask.headers.iter().any(|(key, _)| *key == name)
}

pub(crate) fn authorization(ask: &Ask) -> Option<&str> {
    header(ask, "authorization")
}

pub(super) fn header_method(ask: &Ask) -> Option<&str> {
    header(ask, "mcp-method")
}
