//! A world in memory for the cases of checks: a compliant server, changed in one point,
//! asked by the real plan. No network: what is tested is what the plan asks, what the facts
//! read and what the check says.

use serde_json::{Value, json};

use crate::check::{Check, Judgement, Unmet, Verdict};
use crate::evidence::{
    Body, Depth, Evidence, Exchange, Failure, Purpose, Request, Response, Stopped, TlsSeen,
};
use crate::facts::Facts;
use crate::plan::{self, Ask, HeaderValue, Limits};
use crate::spec::Revision;
use crate::target::Target;
use crate::time::Millis;

/// Endpoint of the compliant server.
pub(crate) const ENDPOINT: &str = "https://mcp.example.com/mcp";
/// Issuer of the compliant server's authorization server.
pub(crate) const ISSUER: &str = "https://id.example.com";
/// Its path-inserted protected-resource metadata.
pub(crate) const PRM_URL: &str = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp";
/// Its authorization-server metadata.
pub(crate) const ASM_URL: &str = "https://id.example.com/.well-known/oauth-authorization-server";
/// When every scan of the kit begins: 2026-11-20T03:12:07Z.
pub(crate) const STARTED: Millis = Millis(1_795_144_327_000);

type Answer = Result<Response, Failure>;
type Rule = Box<dyn Fn(&Ask) -> Option<Answer>>;
type Edit = Box<dyn Fn(&Ask, &mut Answer)>;
type TlsEdit = Box<dyn Fn(&Ask, &mut Option<TlsSeen>)>;

/// What is true of the outside while a scan runs. Later rules win over earlier ones; edits
/// are applied to whatever a rule answered, in the order they were added.
pub(crate) struct World {
    rules: Vec<Rule>,
    edits: Vec<Edit>,
    tls: Vec<TlsEdit>,
    pub(crate) target: Target,
    pub(crate) depth: Depth,
    pub(crate) allow_private: bool,
}

impl World {
    /// Nothing answers: every request is refused.
    pub(crate) fn empty() -> Self {
        Self {
            rules: Vec::new(),
            edits: Vec::new(),
            tls: Vec::new(),
            target: Target::of(ENDPOINT),
            depth: Depth::Standard,
            allow_private: false,
        }
    }

    /// A server that asks for a token on everything, with its authorization server: passes
    /// every check that applies to it.
    pub(crate) fn compliant() -> Self {
        let mut world = Self::empty();
        world
            .on(|_| true, status(404))
            .on(|ask| ask.url.starts_with("http://"), Err(Failure::Refused))
            .on(is_endpoint, challenge(&good_challenge(None)))
            .on(
                |ask| {
                    is_endpoint(ask)
                        && authorization(ask).is_some_and(|a| a.starts_with("Bearer authdex"))
                },
                challenge(&good_challenge(Some("invalid_token"))),
            )
            .on(
                |ask| is_endpoint(ask) && has_header(ask, "origin") && ask.method == "POST",
                status(403),
            )
            .on(
                |ask| is_endpoint(ask) && ask.method == "OPTIONS",
                preflight(),
            )
            .document(PRM_URL, prm())
            .document(ASM_URL, asm())
            .document("https://id.example.com/jwks", jwks())
            .on(
                |ask| ask.url == "https://mcp.example.com/.well-known/security.txt",
                text(
                    200,
                    "text/plain",
                    "Contact: mailto:security@example.com\nExpires: 2027-06-01T00:00:00Z\n",
                ),
            );
        world
    }

    /// A server that speaks both eras and asks nobody for a token.
    pub(crate) fn open() -> Self {
        let mut world = Self::empty();
        world
            .on(|_| true, status(404))
            .on(|ask| ask.url.starts_with("http://"), Err(Failure::Refused))
            .on(is_endpoint, status(400))
            .on(|ask| is_endpoint(ask) && ask.method == "GET", status(405))
            .on(
                |ask| is_endpoint(ask) && ask.method == "DELETE",
                status(405),
            )
            .speak(true, true)
            .on(
                |ask| is_endpoint(ask) && has_header(ask, "origin") && ask.method == "POST",
                status(403),
            );
        world
    }

    /// A server that serves its lists to everybody, publishes metadata, and asks for a token
    /// when a tool is called; it also refuses a token that it does not know.
    pub(crate) fn lazy() -> Self {
        let mut world = Self::open();
        world
            .document(PRM_URL, prm())
            .document(ASM_URL, asm())
            .document("https://id.example.com/jwks", jwks())
            .purpose(Purpose::UnknownTool, challenge(&good_challenge(None)))
            .on(
                |ask| {
                    is_endpoint(ask)
                        && authorization(ask).is_some_and(|a| a.starts_with("Bearer authdex"))
                },
                challenge(&good_challenge(Some("invalid_token"))),
            );
        world
    }

    /// The old HTTP+SSE transport behind a token: POST is no operation, GET is challenged.
    pub(crate) fn guarded_stream() -> Self {
        let mut world = Self::compliant();
        world.on(|ask| is_endpoint(ask) && ask.method == "POST", status(405));
        world
    }

    /// Answers MCP messages without a token, in the eras given.
    pub(crate) fn speak(&mut self, modern: bool, legacy: bool) -> &mut Self {
        self.rules.push(Box::new(move |ask| {
            if !is_endpoint(ask) || ask.method != "POST" {
                return None;
            }
            speak(ask, modern, legacy)
        }));
        self
    }

    /// Adds a rule: asks for which `when` holds are answered with `answer`.
    pub(crate) fn on(
        &mut self,
        when: impl Fn(&Ask) -> bool + 'static,
        answer: Answer,
    ) -> &mut Self {
        self.rules
            .push(Box::new(move |ask| when(ask).then(|| answer.clone())));
        self
    }

    /// Adds a rule that computes its answer.
    pub(crate) fn answer(&mut self, rule: impl Fn(&Ask) -> Option<Answer> + 'static) -> &mut Self {
        self.rules.push(Box::new(rule));
        self
    }

    /// Serves a JSON document at a URL (any query).
    pub(crate) fn document(&mut self, url: &str, body: Value) -> &mut Self {
        let url = url.to_owned();
        self.on(move |ask| without_query(&ask.url) == url, document(body))
    }

    /// Answers everything of one purpose.
    pub(crate) fn purpose(&mut self, purpose: Purpose, answer: Answer) -> &mut Self {
        self.on(move |ask| ask.purpose == purpose, answer)
    }

    /// Changes responses after the rules.
    pub(crate) fn edit(
        &mut self,
        when: impl Fn(&Ask) -> bool + 'static,
        change: impl Fn(&mut Response) + 'static,
    ) -> &mut Self {
        self.edits.push(Box::new(move |ask, answer| {
            if when(ask)
                && let Ok(response) = answer
            {
                change(response);
            }
        }));
        self
    }

    /// Changes what is seen of TLS, for responses over https.
    pub(crate) fn tls(
        &mut self,
        change: impl Fn(&Ask, &mut Option<TlsSeen>) + 'static,
    ) -> &mut Self {
        self.tls.push(Box::new(change));
        self
    }

    /// Changes the JSON of a document, wherever and whenever it is served.
    pub(crate) fn edit_json(
        &mut self,
        url: &str,
        change: impl Fn(&mut Value) + 'static,
    ) -> &mut Self {
        let url = url.to_owned();
        self.edit(
            move |ask| without_query(&ask.url) == url,
            move |response| {
                if let Ok(mut value) = serde_json::from_str::<Value>(&response.body.text) {
                    change(&mut value);
                    set_body(response, &value.to_string());
                }
            },
        )
    }

    /// Changes the PRM document.
    pub(crate) fn prm(&mut self, change: impl Fn(&mut Value) + 'static) -> &mut Self {
        self.edit_json(PRM_URL, change)
    }

    /// Changes the authorization-server metadata.
    pub(crate) fn asm(&mut self, change: impl Fn(&mut Value) + 'static) -> &mut Self {
        self.edit_json(ASM_URL, change)
    }

    /// Replaces every `WWW-Authenticate` of the endpoint's 401 answers; `None` removes it.
    pub(crate) fn challenge(&mut self, value: Option<&str>) -> &mut Self {
        let value = value.map(str::to_owned);
        self.edit(is_endpoint, move |response| {
            if response.status == 401 {
                response
                    .headers
                    .retain(|(name, _)| name != "www-authenticate");
                if let Some(value) = &value {
                    response
                        .headers
                        .push(("www-authenticate".into(), value.clone()));
                }
            }
        })
    }

    /// Runs the real plan against this world.
    pub(crate) fn scan(&self) -> Evidence {
        let limits = Limits {
            depth: self.depth,
            ..Limits::default()
        };
        let mut evidence = Evidence {
            schema: crate::evidence::SCHEMA,
            target: self.target.clone(),
            scanner: "0.0.0".into(),
            plan: crate::evidence::PLAN,
            depth: self.depth,
            allow_private: self.allow_private,
            modified_request: false,
            nonce: "abcdefghijklmnopqrstuvwxyz".into(),
            started: STARTED,
            duration_ms: 0,
            exchanges: Vec::new(),
            stopped: Stopped::Finished,
        };
        loop {
            let wanted = plan::wanted(&evidence, &limits);
            if wanted.over_budget {
                evidence.stopped = Stopped::OutOfAsks;
            }
            if wanted.rate_limited {
                evidence.stopped = Stopped::RateLimited;
            }
            if wanted.asks.is_empty() {
                break;
            }
            for ask in wanted.asks {
                let exchange =
                    self.put(&ask, u32::try_from(evidence.exchanges.len()).expect("few"));
                evidence.exchanges.push(exchange);
            }
        }
        evidence
    }

    fn put(&self, ask: &Ask, id: u32) -> Exchange {
        let mut got = self
            .rules
            .iter()
            .rev()
            .find_map(|rule| rule(ask))
            .unwrap_or(Err(Failure::Refused));
        for edit in &self.edits {
            edit(ask, &mut got);
        }
        if let Ok(response) = &mut got
            && ask.url.starts_with("https://")
            && response.tls.is_none()
        {
            response.tls = Some(good_tls(&ask.url));
            for change in &self.tls {
                change(ask, &mut response.tls);
            }
        }
        Exchange {
            id,
            purpose: ask.purpose,
            attempt: 0,
            follows: ask.follows,
            shared: None,
            asked: Request {
                method: ask.method.into(),
                url: ask.url.clone(),
                headers: ask
                    .headers
                    .iter()
                    .map(|(name, value)| {
                        let value = match value {
                            HeaderValue::Plain(value) => value.clone(),
                            HeaderValue::Session(_) => "[session]".into(),
                        };
                        ((*name).to_owned(), value)
                    })
                    .collect(),
                body: ask.body.clone(),
            },
            after_ms: id * 1000,
            took_ms: 20,
            got,
        }
    }
}

/// What the case expects the check to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    Pass,
    Warn(&'static str),
    Fail(&'static str),
    Na,
    Inconclusive,
    Blocked(&'static str),
}

/// One case: a world, a revision, and what the check must say there.
pub(crate) struct Case {
    pub(crate) check: &'static str,
    pub(crate) revision: Revision,
    pub(crate) expect: Expect,
    pub(crate) world: fn() -> World,
}

/// The headline revision, a change to the compliant world.
pub(crate) const fn case(check: &'static str, expect: Expect, world: fn() -> World) -> Case {
    Case {
        check,
        revision: Revision::HEADLINE,
        expect,
        world,
    }
}

/// The same in the column of another revision.
pub(crate) const fn case_in(
    revision: Revision,
    check: &'static str,
    expect: Expect,
    world: fn() -> World,
) -> Case {
    Case {
        check,
        revision,
        expect,
        world,
    }
}

/// `World::compliant()` changed by a closure: `changed(|w| { w.challenge(None); })`.
pub(crate) fn changed(change: impl FnOnce(&mut World)) -> World {
    let mut world = World::compliant();
    change(&mut world);
    world
}

/// Runs one case; the message names what the check really said.
pub(crate) fn verify(case: &Case, check: &Check) -> Result<(), String> {
    let evidence = (case.world)().scan();
    let facts = Facts::new(&evidence);
    let said = crate::checks::judge(check, &facts, case.revision);
    let matches = match (&case.expect, &said) {
        (Expect::Pass, Ok(Verdict::Pass)) => true,
        (Expect::Warn(reason), Ok(Verdict::Warn(fault)))
        | (Expect::Fail(reason), Ok(Verdict::Fail(fault))) => {
            fault.reason == *reason && !fault.at.is_empty() && !fault.said.is_empty()
        }
        (Expect::Na, Err(Unmet::NotApplicable(_))) => true,
        (Expect::Inconclusive, Err(Unmet::Inconclusive(_))) => true,
        (Expect::Blocked(by), Err(Unmet::Blocked(cause))) => by == cause,
        _ => false,
    };
    if matches {
        Ok(())
    } else {
        Err(format!(
            "{} in {}: expected {:?}, said {said:?} (class {:?}, era {:?})",
            case.check,
            case.revision,
            case.expect,
            facts.class(),
            facts.era()
        ))
    }
}

/// What a check says of a world, for tests that need more than a [`Case`].
pub(crate) fn judged(id: &str, revision: Revision, world: &World) -> Judgement {
    let evidence = world.scan();
    let facts = Facts::new(&evidence);
    let check = crate::checks::by_id(id).expect("a check of the catalogue");
    crate::checks::judge(check, &facts, revision)
}

// --- answers ------------------------------------------------------------------------------------

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

fn preflight() -> Answer {
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

fn good_tls(url: &str) -> TlsSeen {
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
    }
}

fn speak(ask: &Ask, modern: bool, legacy: bool) -> Option<Answer> {
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

fn header_method(ask: &Ask) -> Option<&str> {
    header(ask, "mcp-method")
}
