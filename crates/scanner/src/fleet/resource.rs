//! Sample MCP servers that verify tokens: signature, audience, kind, end and scopes; sessions
//! that belong to a principal, and `requestState` that is sealed. What is done wrong is a
//! [`Flaw`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::reply::{Asked, Reply};
use super::tokens::{self, Ledger};
use super::world::McpServer;

/// The tool that needs [`WRITE`].
pub const WRITE_TOOL: &str = "write_note";
/// The tool that asks for input.
pub const ASK_TOOL: &str = "ask_back";
/// Scope of [`WRITE_TOOL`].
pub const WRITE: &str = "mcp:write";
/// The scope that implies all others.
pub const ADMIN: &str = "mcp:admin";

/// How a server takes tokens.
#[derive(Debug, Clone)]
pub struct Resource {
    /// Who issued them, and the keys that verify them.
    pub ledger: Ledger,
    /// What it does wrong.
    pub flaws: Vec<Flaw>,
    /// A token of the service behind it.
    pub upstream: String,
    sessions: Arc<Mutex<BTreeMap<String, String>>>,
}

/// A wrong behaviour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flaw {
    /// Tokens whose algorithm is `none` are taken.
    AlgorithmNone,
    /// Tokens of any RS256 key are taken.
    AnyKey,
    /// HS256 is verified with the public key as its secret.
    PublicKeyAsSecret,
    /// Key URLs in tokens are fetched.
    FollowsKeyUrls,
    /// Tokens in the query are taken.
    QueryToken,
    /// The audience is not looked at.
    AnyAudience,
    /// ID tokens are taken.
    IdTokens,
    /// The end is not looked at.
    NoExpiry,
    /// Signatures are not verified.
    NoSignature,
    /// Tokens of the service behind it are taken.
    Upstream,
    /// Scopes are not looked at.
    NoScopes,
    /// A missing scope is an error of the tool.
    ScopeAsToolError,
    /// The challenge for more scope does not name the metadata.
    BareStepUp,
    /// The challenge for more scope names one that nobody grants.
    WrongStepUp,
    /// A broader scope implies nothing.
    NoHierarchy,
    /// A session needs no token.
    SessionSuffices,
    /// A session is anybody's.
    SessionOfAnybody,
    /// `requestState` is not looked at.
    AnyState,
    /// `requestState` may come from anybody.
    StateOfAnybody,
    /// Everything may be cached by everybody.
    PublicCache,
}

impl Resource {
    /// A server that does everything right with tokens of this ledger.
    #[must_use]
    pub fn good(ledger: Ledger) -> Self {
        Self {
            ledger,
            flaws: Vec::new(),
            upstream: "upstream-personal-token".into(),
            sessions: Arc::default(),
        }
    }

    /// The same with flaws.
    #[must_use]
    pub fn flawed(mut self, flaws: &[Flaw]) -> Self {
        self.flaws.extend_from_slice(flaws);
        self
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaws.contains(&flaw)
    }

    fn session(&self, asked: &Asked) -> Option<String> {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.get(asked.header("mcp-session-id")?).cloned()
    }
}

/// Who asks, by a token or by a session.
struct Principal {
    subject: String,
    scopes: Vec<String>,
}

/// The reply of the endpoint; `None` where the request is refused for its token.
pub(super) fn reply(server: &McpServer, resource: &Resource, asked: &Asked) -> Option<Reply> {
    let here = Here {
        server,
        resource,
        asked,
    };
    let principal = here.principal()?;
    Some(match asked.method.as_str() {
        "POST" => here.post(&principal),
        "DELETE" if server.speaks.sessions => here.end(),
        "GET" if server.speaks.sessions && resource.session(asked).is_some() => {
            let mut reply = Reply::status(200)
                .with("content-type", "text/event-stream")
                .body(": open\n\n".into());
            reply.endless = true;
            reply
        }
        _ => Reply::status(405).with("allow", "POST"),
    })
}

/// URLs of keys in the header of the token that was sent, if they are followed.
pub(super) fn key_urls(server: &McpServer, asked: &Asked) -> Vec<String> {
    let follows = server
        .resource
        .as_ref()
        .is_some_and(|resource| resource.has(Flaw::FollowsKeyUrls));
    let header = bearer(asked).filter(|_| follows).and_then(header_of);
    ["jku", "x5u"]
        .iter()
        .filter_map(|name| Some(header.as_ref()?.get(name)?.as_str()?.to_owned()))
        .collect()
}

fn bearer(asked: &Asked) -> Option<&str> {
    asked.header("authorization")?.strip_prefix("Bearer ")
}

fn header_of(token: &str) -> Option<Value> {
    let bytes = URL_SAFE_NO_PAD.decode(token.split('.').next()?).ok()?;
    serde_json::from_slice(&bytes).ok()
}

struct Here<'w> {
    server: &'w McpServer,
    resource: &'w Resource,
    asked: &'w Asked,
}

impl Here<'_> {
    fn has(&self, flaw: Flaw) -> bool {
        self.resource.has(flaw)
    }

    // --- tokens -----------------------------------------------------------------------

    fn principal(&self) -> Option<Principal> {
        let in_query = || {
            let query = self.asked.query.as_deref().unwrap_or_default();
            let pairs = url::form_urlencoded::parse(query.as_bytes());
            pairs
                .into_owned()
                .find(|(name, _)| name == "access_token" && self.has(Flaw::QueryToken))
                .map(|(_, value)| value)
        };
        let token = bearer(self.asked).map(str::to_owned).or_else(in_query);
        match token {
            Some(token) => self.verified(&token),
            None if self.has(Flaw::SessionSuffices) => Some(Principal {
                subject: self.resource.session(self.asked)?,
                scopes: vec!["mcp:use".into()],
            }),
            None => None,
        }
    }

    fn verified(&self, token: &str) -> Option<Principal> {
        if token == self.resource.upstream && self.has(Flaw::Upstream) {
            return Some(Principal {
                subject: "upstream".into(),
                scopes: vec!["mcp:use".into()],
            });
        }
        let claims = self.claims(token)?;
        let header = header_of(token)?;
        let typ = header.get("typ").and_then(Value::as_str);
        let kind = typ == Some("at+jwt") || self.has(Flaw::IdTokens);
        let audience = claims.get("aud").and_then(Value::as_str) == Some(&self.server.url());
        let audience = audience || self.has(Flaw::AnyAudience) || self.has(Flaw::IdTokens);
        let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
        (kind && audience).then(|| Principal {
            subject: text("sub").to_owned(),
            scopes: text("scope")
                .split_whitespace()
                .map(str::to_owned)
                .collect(),
        })
    }

    /// The claims of a token whose signature and end are good.
    fn claims(&self, token: &str) -> Option<Value> {
        let ledger = &self.resource.ledger;
        if self.has(Flaw::NoSignature) {
            return tokens::claims_of(token);
        }
        let algorithm = header_of(token)?.get("alg")?.as_str()?.to_owned();
        match algorithm.as_str() {
            "none" if self.has(Flaw::AlgorithmNone) => tokens::claims_of(token),
            "RS256" if self.has(Flaw::AnyKey) => tokens::claims_of(token),
            "HS256" if self.has(Flaw::PublicKeyAsSecret) => {
                let (signed, signature) = token.rsplit_once('.')?;
                let key = hmac::Key::new(hmac::HMAC_SHA256, ledger.public_pem().as_bytes());
                let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
                hmac::verify(&key, signed.as_bytes(), &signature).ok()?;
                tokens::claims_of(token)
            }
            _ if self.has(Flaw::NoExpiry) => tokens::verify(token, &ledger.key_set()),
            _ => ledger.verified(token),
        }
    }

    // --- messages ---------------------------------------------------------------------

    fn post(&self, principal: &Principal) -> Reply {
        let Ok(body) = serde_json::from_str::<Value>(&self.asked.body) else {
            return Reply::status(400);
        };
        let id = body.get("id").cloned().unwrap_or(Value::Null);
        let method = body
            .get("method")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let modern = body.pointer("/params/_meta").is_some();
        let params = body.get("params").cloned().unwrap_or(Value::Null);
        if modern {
            return self.modern(principal, &id, method, &params);
        }
        if self.server.speaks.sessions && method != "initialize" {
            let Some(owner) = self.resource.session(self.asked) else {
                return error(404, &id, "unknown session");
            };
            if owner != principal.subject && !self.has(Flaw::SessionOfAnybody) {
                return error(404, &id, "unknown session");
            }
        }
        match method {
            "initialize" => self.initialize(principal, &id),
            "notifications/initialized" => Reply::status(202),
            "tools/list" => ok(&id, &json!({ "tools": self.tools(principal) })),
            "tools/call" => self.call(principal, &id, &params),
            _ => error(200, &id, "unknown method"),
        }
    }

    fn initialize(&self, principal: &Principal, id: &Value) -> Reply {
        let reply = ok(
            id,
            &json!({
                "protocolVersion": "2025-11-25",
                "capabilities": { "tools": {} },
                "serverInfo": { "name": self.server.name, "version": "1.0.0" },
            }),
        );
        if !self.server.speaks.sessions {
            return reply;
        }
        let session = self.resource.ledger.fresh("fs_");
        let mut sessions = self
            .resource
            .sessions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        sessions.insert(session.clone(), principal.subject.clone());
        reply.with("mcp-session-id", session)
    }

    fn end(&self) -> Reply {
        let mut sessions = self
            .resource
            .sessions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let ended = self
            .asked
            .header("mcp-session-id")
            .and_then(|session| sessions.remove(session));
        Reply::status(if ended.is_some() { 204 } else { 404 })
    }

    fn modern(&self, principal: &Principal, id: &Value, method: &str, params: &Value) -> Reply {
        let scope = if self.has(Flaw::PublicCache) {
            "public"
        } else {
            "private"
        };
        let name = params.get("name").and_then(Value::as_str);
        match method {
            "server/discover" => ok(
                id,
                &json!({
                    "resultType": "complete",
                    "supportedVersions": ["2026-07-28"],
                    "capabilities": { "tools": {}, "resources": {} },
                    "ttlMs": 3_600_000,
                    "cacheScope": "public",
                    "_meta": { "io.modelcontextprotocol/serverInfo": { "name": self.server.name, "version": "1.0.0" } },
                }),
            ),
            "tools/list" => ok(
                id,
                &json!({ "resultType": "complete", "tools": self.tools(principal), "ttlMs": 60_000, "cacheScope": scope }),
            ),
            "resources/list" => ok(
                id,
                &json!({ "resultType": "complete", "resources": [{
                    "uri": format!("note:///{}/diary", principal.subject), "name": "Diary",
                }], "ttlMs": 60_000, "cacheScope": scope }),
            ),
            "resources/read" => self.read(principal, id, params, scope),
            "tools/call" if name == Some(ASK_TOOL) => self.ask(principal, id, params),
            "tools/call" => self.call(principal, id, params),
            _ => error(404, id, "unknown method"),
        }
    }

    /// Differs from principal to principal.
    fn tools(&self, principal: &Principal) -> Value {
        let mut tools = self.server.tools.clone();
        if let Some(list) = tools.as_array_mut() {
            list.push(json!({ "name": format!("notes_of_{}", principal.subject), "inputSchema": { "type": "object" } }));
        }
        tools
    }

    fn read(&self, principal: &Principal, id: &Value, params: &Value, scope: &str) -> Reply {
        let uri = params
            .get("uri")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if !uri.starts_with(&format!("note:///{}/", principal.subject)) {
            return error(400, id, "no such resource");
        }
        ok(
            id,
            &json!({ "resultType": "complete", "contents": [{ "uri": uri, "text": "canary-diary" }], "ttlMs": 0, "cacheScope": scope }),
        )
    }

    // --- tools ------------------------------------------------------------------------

    fn call(&self, principal: &Principal, id: &Value, params: &Value) -> Reply {
        if params.get("name").and_then(Value::as_str) != Some(WRITE_TOOL) {
            return error(400, id, "unknown tool");
        }
        let has = |scope: &str| principal.scopes.iter().any(|own| own == scope);
        let implied = has(ADMIN) && !self.has(Flaw::NoHierarchy);
        if has(WRITE) || implied || self.has(Flaw::NoScopes) {
            return ok(
                id,
                &json!({ "resultType": "complete", "content": [{ "type": "text", "text": "written" }] }),
            );
        }
        if self.has(Flaw::ScopeAsToolError) {
            return ok(
                id,
                &json!({ "isError": true, "content": [{ "type": "text", "text": "Insufficient scope" }] }),
            );
        }
        let scope = if self.has(Flaw::WrongStepUp) {
            "mcp:imaginary"
        } else {
            WRITE
        };
        let pointer = if self.has(Flaw::BareStepUp) {
            String::new()
        } else {
            format!(
                ", resource_metadata=\"https://{}/.well-known/oauth-protected-resource{}\"",
                self.server.host, self.server.path
            )
        };
        Reply::json(403, &json!({ "error": "insufficient_scope" })).with(
            "www-authenticate",
            format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\"{pointer}"),
        )
    }

    /// Asks back once, with sealed state; goes on with what was sealed for the same principal.
    fn ask(&self, principal: &Principal, id: &Value, params: &Value) -> Reply {
        let ledger = &self.resource.ledger;
        let Some(state) = params.get("requestState").and_then(Value::as_str) else {
            let end = ledger.now().0 / 1000 + 300;
            let sealed = ledger.sign("state", &json!({ "sub": principal.subject, "exp": end }));
            return ok(
                id,
                &json!({
                    "resultType": "input_required",
                    "inputRequests": { "name": { "type": "elicitation" } },
                    "requestState": sealed,
                }),
            );
        };
        let done = ok(
            id,
            &json!({ "resultType": "complete", "content": [{ "type": "text", "text": "done" }] }),
        );
        if self.has(Flaw::AnyState) {
            return done;
        }
        let sealed = tokens::verify(state, &ledger.key_set());
        let alive = sealed
            .as_ref()
            .and_then(|sealed| sealed.get("exp")?.as_i64())
            .is_some_and(|end| end > ledger.now().0 / 1000);
        let own = sealed
            .as_ref()
            .and_then(|sealed| sealed.get("sub")?.as_str())
            == Some(&principal.subject);
        if alive && (own || self.has(Flaw::StateOfAnybody)) {
            done
        } else {
            error(400, id, "the state is not ours")
        }
    }
}

fn ok(id: &Value, result: &Value) -> Reply {
    Reply::json(
        200,
        &json!({ "jsonrpc": "2.0", "id": id, "result": result }),
    )
}

fn error(status: u16, id: &Value, message: &str) -> Reply {
    Reply::json(
        status,
        &json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -32602, "message": message } }),
    )
}
