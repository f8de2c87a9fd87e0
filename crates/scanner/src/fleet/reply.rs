//! How a situation is served over HTTP: pure, from state and request to a reply.

use serde_json::{Value, json};

use super::tokens::Client;
use super::world::{AuthorizationServer, Challenge, Guard, McpServer, World};

/// A request, as far as replies depend on it.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Host without port, lower case.
    pub host: String,
    /// Method.
    pub method: String,
    /// Path without query.
    pub path: String,
    /// Query, without the question mark.
    pub query: Option<String>,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: String,
    /// The client that the document named by an authorization request describes, or why it
    /// cannot be used; fetched beforehand.
    pub named: Option<Result<Client, String>>,
}

impl Asked {
    /// The first value of a header. `name` in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(&'static str, String)>,
    /// Body, or the beginning of a stream.
    pub body: String,
    /// The stream stays open after `body`.
    pub endless: bool,
}

impl Reply {
    pub(super) fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: String::new(),
            endless: false,
        }
    }

    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self::status(status)
            .with("content-type", "application/json")
            .body(body.to_string())
    }

    pub(super) fn document(body: &Value) -> Self {
        Self::json(200, body)
            .with("cache-control", "public, max-age=3600")
            .with("access-control-allow-origin", "*")
    }

    pub(super) fn html(status: u16, body: &str) -> Self {
        Self::status(status)
            .with("content-type", "text/html; charset=utf-8")
            .body(body.to_owned())
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn body(mut self, body: String) -> Self {
        self.body = body;
        self
    }
}

/// The reply of the world.
#[must_use]
pub fn reply(world: &World, asked: &Asked) -> Reply {
    let mut reply = unedited(world, asked);
    for edit in &world.edits {
        edit.apply(asked, &mut reply);
    }
    reply
}

fn unedited(world: &World, asked: &Asked) -> Reply {
    if let Some(server) = world
        .servers
        .iter()
        .find(|server| server.host == asked.host)
    {
        let reply = of_server(server, asked);
        return if server.hsts {
            reply.with("strict-transport-security", HSTS)
        } else {
            reply
        };
    }
    match world
        .authorization_servers
        .iter()
        .find(|server| server.host == asked.host)
    {
        Some(server) => {
            of_authorization_server(server, asked).with("strict-transport-security", HSTS)
        }
        None => Reply::status(421),
    }
}

const HSTS: &str = "max-age=31536000; includeSubDomains";

fn of_authorization_server(server: &AuthorizationServer, asked: &Asked) -> Reply {
    let document = |value: &Option<Value>| {
        value
            .as_ref()
            .map_or_else(|| Reply::status(404), Reply::document)
    };
    if let Some(reply) = super::registration::reply(server, asked) {
        return reply;
    }
    match asked.path.as_str() {
        "/.well-known/oauth-authorization-server" => document(&server.oauth),
        "/.well-known/openid-configuration" => document(&server.oidc),
        "/jwks" => Reply::document(&server.keys),
        _ => super::authorization::reply(server, asked).unwrap_or_else(|| Reply::status(404)),
    }
}

fn of_server(server: &McpServer, asked: &Asked) -> Reply {
    match &server.guard {
        Guard::Failing => {
            return Reply::status(503)
                .with("content-type", "text/plain")
                .body("down".into());
        }
        Guard::Interstitial => {
            return Reply::html(403, "<!doctype html><title>Just a moment…</title><script src=\"/cdn-cgi/challenge-platform/x.js\"></script>")
                .with("server", "cloudflare")
                .with("cf-mitigated", "challenge");
        }
        _ => (),
    }
    if asked.path != server.path {
        return well_known(server, asked);
    }
    match asked.method.as_str() {
        "OPTIONS" => Reply::status(204),
        "GET" if server.guard == Guard::Sse => event_stream(),
        "POST" if server.guard == Guard::Sse => Reply::status(405).with("allow", "GET"),
        _ => endpoint(server, asked),
    }
}

fn well_known(server: &McpServer, asked: &Asked) -> Reply {
    let path = asked.path.as_str();
    if let Some(prm) = &server.prm {
        let at_path = format!("/.well-known/oauth-protected-resource{}", server.path);
        if prm.at_path && path == at_path
            || prm.at_root && path == "/.well-known/oauth-protected-resource"
        {
            return Reply::document(&prm.document);
        }
    }
    if path == "/.well-known/security.txt" {
        return Reply::status(200)
            .with("content-type", "text/plain; charset=utf-8")
            .body("Contact: mailto:security@demo.example\nExpires: 2030-01-01T00:00:00Z\n".into());
    }
    if path == "/login" {
        return Reply::html(
            200,
            "<!doctype html><title>Sign in</title><form><input type=\"password\"></form>",
        );
    }
    Reply::status(404)
}

fn event_stream() -> Reply {
    let mut reply = Reply::status(200)
        .with("content-type", "text/event-stream")
        .with("cache-control", "no-cache")
        .body("event: endpoint\ndata: /messages?session_id=5f2c\n\n".into());
    reply.endless = true;
    reply
}

fn endpoint(server: &McpServer, asked: &Asked) -> Reply {
    let token = asked.header("authorization");
    if asked.header("origin").is_some() {
        return Reply::status(403);
    }
    let method = rpc_method(&asked.body);
    match &server.guard {
        Guard::Login => return Reply::status(302).with("location", "/login?next=/mcp"),
        Guard::ApiKey => {
            return Reply::json(401, &json!({ "error": "missing X-API-Key" })).with(
                "www-authenticate",
                "ApiKey realm=\"demo\", header=\"X-API-Key\"",
            );
        }
        Guard::Bearer(challenge) => {
            let taken = server
                .resource
                .as_ref()
                .and_then(|resource| super::resource::reply(server, resource, asked));
            return taken.unwrap_or_else(|| refuse(server, *challenge, token));
        }
        Guard::AnyBearer(challenge) => {
            let any = token
                .and_then(|value| value.strip_prefix("Bearer "))
                .is_some_and(|token| !token.is_empty());
            if !any {
                return refuse(server, *challenge, token);
            }
        }
        Guard::Lazy(challenge) => {
            if method.as_deref() == Some("tools/call") || token.is_some() {
                return refuse(server, *challenge, token);
            }
        }
        Guard::Open | Guard::Sse | Guard::Interstitial | Guard::Failing => (),
    }
    match asked.method.as_str() {
        "POST" => speak(server, asked),
        _ => Reply::status(405).with("allow", "POST"),
    }
}

fn refuse(server: &McpServer, challenge: Challenge, token: Option<&str>) -> Reply {
    let mut parts: Vec<String> = Vec::new();
    if token.is_some() || challenge.always_error {
        parts.push("error=\"invalid_token\"".into());
        parts.push("error_description=\"The access token is missing, expired or unknown\"".into());
    }
    if challenge.pointer {
        parts.push(format!(
            "resource_metadata=\"https://{}/.well-known/oauth-protected-resource{}\"",
            server.host, server.path
        ));
    }
    if challenge.scope {
        parts.push("scope=\"mcp:use\"".into());
    }
    Reply::json(401, &json!({ "error": "invalid_token" })).with(
        "www-authenticate",
        format!("Bearer {}", parts.join(", ")).trim_end().to_owned(),
    )
}

fn rpc_method(body: &str) -> Option<String> {
    serde_json::from_str::<Value>(body)
        .ok()?
        .get("method")?
        .as_str()
        .map(str::to_owned)
}

/// MCP itself, in the eras that the server speaks.
fn speak(server: &McpServer, asked: &Asked) -> Reply {
    let Ok(body) = serde_json::from_str::<Value>(&asked.body) else {
        return Reply::status(400);
    };
    let id = body.get("id").cloned().unwrap_or(Value::Null);
    let Some(method) = body.get("method").and_then(Value::as_str) else {
        return error(400, &id, -32600, &Value::Null);
    };
    match body
        .pointer("/params/_meta/io.modelcontextprotocol~1protocolVersion")
        .and_then(Value::as_str)
    {
        Some(version) if server.speaks.modern => modern(server, asked, &id, method, version),
        Some(_) => error(400, &id, -32000, &Value::Null),
        None if server.speaks.legacy => legacy(server, asked, &id, method),
        None => error(400, &id, -32022, &json!({ "supported": ["2026-07-28"] })),
    }
}

fn modern(server: &McpServer, asked: &Asked, id: &Value, method: &str, version: &str) -> Reply {
    if asked.header("mcp-protocol-version") != Some(version)
        || asked.header("mcp-method") != Some(method)
    {
        return error(400, id, -32020, &Value::Null);
    }
    if version != "2026-07-28" {
        return error(
            400,
            id,
            -32022,
            &json!({ "supported": ["2026-07-28"], "requested": version }),
        );
    }
    match method {
        "server/discover" => ok(
            id,
            &json!({
                "resultType": "complete",
                "supportedVersions": ["2026-07-28"],
                "capabilities": { "tools": {} },
                "ttlMs": 3_600_000,
                "cacheScope": "public",
                "_meta": { "io.modelcontextprotocol/serverInfo": { "name": server.name, "version": "1.0.0" } },
            }),
        ),
        "tools/list" => ok(
            id,
            &json!({
                "resultType": "complete", "tools": server.tools, "ttlMs": 60_000, "cacheScope": "public",
            }),
        ),
        "tools/call" => error(400, id, -32602, &Value::Null),
        _ => error(404, id, -32601, &Value::Null),
    }
}

fn legacy(server: &McpServer, asked: &Asked, id: &Value, method: &str) -> Reply {
    let version = asked.header("mcp-protocol-version");
    if version.is_some_and(|version| !version.starts_with("2024") && !version.starts_with("2025")) {
        return Reply::status(400);
    }
    match method {
        "initialize" => {
            let reply = ok(
                id,
                &json!({
                    "protocolVersion": "2025-11-25",
                    "capabilities": { "tools": {} },
                    "serverInfo": { "name": server.name, "version": "1.0.0" },
                }),
            );
            if server.speaks.sessions {
                reply.with("mcp-session-id", "0c8f6d1e-5a7b-4e2f-9d3c-8b1a2f4e6d70")
            } else {
                reply
            }
        }
        "notifications/initialized" => Reply::status(202),
        "tools/list" => ok(id, &json!({ "tools": server.tools })),
        "tools/call" => error(200, id, -32602, &Value::Null),
        _ => error(200, id, -32601, &Value::Null),
    }
}

fn ok(id: &Value, result: &Value) -> Reply {
    Reply::json(
        200,
        &json!({ "jsonrpc": "2.0", "id": id, "result": result }),
    )
}

fn error(status: u16, id: &Value, code: i64, data: &Value) -> Reply {
    let mut error = json!({ "code": code, "message": "refused" });
    if !data.is_null() {
        error["data"] = data.clone();
    }
    Reply::json(
        status,
        &json!({ "jsonrpc": "2.0", "id": id, "error": error }),
    )
}
