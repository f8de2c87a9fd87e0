//! Samples: what scans of made-up servers would have seen, with the reports on it. The real plan
//! asks and the real catalogue judges; only the answers are made up here.

use scanner::evidence::{
    Body, Depth, Evidence, Exchange, Failure, Hello, Offer, PLAN, Purpose, Request, Response,
    SCHEMA, Stopped, TlsSeen,
};
use scanner::plan::{self, Ask, HeaderValue, Limits};
use scanner::report::Report;
use scanner::target::{Listing, Target};
use scanner::time::Millis;
use serde_json::{Value, json};

/// 2026-11-20T03:12:07Z
pub(crate) const DAY_ONE: Millis = Millis(1_795_144_327_000);
/// A day.
pub(crate) const DAY: i64 = 86_400_000;

/// What kind of server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Asks for a token on everything.
    Oauth,
    /// Lists a tool for everybody.
    Open,
    /// Does not answer.
    Down,
    /// Asks for a key that has nothing to do with OAuth.
    Key,
}

/// One scan of one server.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    /// Endpoint.
    pub(crate) url: String,
    /// When the scan began; also decides what changes on every answer.
    pub(crate) at: Millis,
    /// How it answers.
    pub(crate) manner: Manner,
    /// Its authorization server announces PKCE.
    pub(crate) pkce: bool,
    /// Its authorization server takes Client ID Metadata Documents.
    pub(crate) cimd: bool,
    /// A text in a document that no check reads.
    pub(crate) remark: String,
    /// What a source says about it.
    pub(crate) listing: Option<Listing>,
}

impl Sample {
    /// A compliant server with everything that can be had.
    pub(crate) fn oauth(url: &str) -> Self {
        Self {
            url: url.into(),
            at: DAY_ONE,
            manner: Manner::Oauth,
            pkce: true,
            cimd: true,
            remark: String::new(),
            listing: None,
        }
    }

    /// The same server at another time.
    pub(crate) fn at(mut self, at: Millis) -> Self {
        self.at = at;
        self
    }

    /// The same server answering otherwise.
    pub(crate) fn manner(mut self, manner: Manner) -> Self {
        self.manner = manner;
        self
    }

    /// The same server without PKCE.
    pub(crate) fn without_pkce(mut self) -> Self {
        self.pkce = false;
        self
    }

    /// What the scan saw.
    pub(crate) fn evidence(&self) -> Evidence {
        let limits = Limits::default();
        let mut evidence = Evidence {
            schema: SCHEMA,
            target: Target {
                url: self.url.clone(),
                listing: self.listing.clone(),
            },
            scanner: "0.0.0".into(),
            plan: PLAN,
            depth: Depth::Standard,
            allow_private: false,
            modified_request: false,
            nonce: nonce(self.at.0),
            started: self.at,
            duration_ms: 900,
            exchanges: Vec::new(),
            stopped: Stopped::Finished,
            consent: None,
            own_host: None,
            visits: Vec::new(),
            supplied: Vec::new(),
            operations: scanner::evidence::Operations::default(),
            obtained: Vec::new(),
        };
        loop {
            let asks = plan::next(&evidence, &limits);
            if asks.is_empty() {
                return evidence;
            }
            for ask in asks {
                let id = u32::try_from(evidence.exchanges.len()).expect("few exchanges");
                evidence.exchanges.push(self.exchange(&ask, id));
            }
        }
    }

    /// What the scan saw, and the report on it.
    pub(crate) fn graded(&self) -> (Evidence, Report) {
        let evidence = self.evidence();
        let report = judge(&evidence);
        (evidence, report)
    }

    fn exchange(&self, ask: &Ask, id: u32) -> Exchange {
        let header = |(name, value): &(&str, HeaderValue)| {
            let value = match value {
                HeaderValue::Plain(value) => value.clone(),
                HeaderValue::Session(_) => "[session]".into(),
                HeaderValue::Bearer(_) | HeaderValue::Secret(_) | HeaderValue::Basic(..) => {
                    "[redacted]".into()
                }
            };
            ((*name).to_owned(), value)
        };
        let chance = u32::try_from(self.at.0.rem_euclid(97)).expect("below 97");
        Exchange {
            id,
            purpose: ask.purpose,
            attempt: 0,
            follows: ask.follows,
            shared: None,
            asked: Request {
                method: ask.method.into(),
                url: ask.url.clone(),
                headers: ask.headers.iter().map(header).collect(),
                body: ask.body.clone(),
            },
            after_ms: id * 31,
            took_ms: 20 + chance,
            got: self.answer(ask),
        }
    }

    fn answer(&self, ask: &Ask) -> Result<Response, Failure> {
        if let Purpose::Handshake(offer) = ask.purpose {
            return Ok(handshake(offer, &ask.url));
        }
        let url = url::Url::parse(&self.url).expect("a URL");
        let host = url.host_str().expect("a host").to_owned();
        if self.manner == Manner::Down || ask.url.starts_with("http://") {
            return Err(Failure::Refused);
        }
        let asked = ask.url.split('?').next().unwrap_or_default();
        let prm = format!(
            "https://{host}/.well-known/oauth-protected-resource{}",
            url.path()
        );
        let issuer = format!("https://id.{host}");
        let (status, extra, body): (u16, Vec<(&str, String)>, String) = match self.manner {
            Manner::Oauth if asked == self.url => {
                let challenge = format!("Bearer resource_metadata=\"{prm}\", scope=\"read\"");
                (401, vec![("www-authenticate", challenge)], "{}".into())
            }
            Manner::Oauth if asked == prm => (200, vec![], self.prm(&issuer).to_string()),
            Manner::Oauth
                if asked == format!("{issuer}/.well-known/oauth-authorization-server") =>
            {
                (200, vec![], self.asm(&issuer).to_string())
            }
            Manner::Open if asked == self.url && ask.method == "POST" => (200, vec![], open(ask)),
            Manner::Key if asked == self.url => {
                (401, vec![], r#"{"error":"missing api key"}"#.into())
            }
            _ => (404, vec![], String::new()),
        };
        let mut headers: Vec<(String, String)> = vec![
            ("content-type".into(), "application/json".into()),
            (
                "strict-transport-security".into(),
                "max-age=31536000; includeSubDomains".into(),
            ),
            ("cache-control".into(), "no-store".into()),
            ("server".into(), "samples".into()),
            ("date".into(), self.at.rfc3339()),
            ("x-request-id".into(), nonce(self.at.0 + 7)),
        ];
        headers.extend(
            extra
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value)),
        );
        Ok(Response {
            status,
            http: "1.1".into(),
            headers,
            body: Body {
                bytes: body.len() as u64,
                text: body,
                base64: false,
                truncated: false,
            },
            peer: Some([192, 0, 2, 7].into()),
            tls: Some(tls(&host)),
            hello: None,
        })
    }

    fn prm(&self, issuer: &str) -> Value {
        json!({
            "resource": self.url,
            "resource_name": format!("Sample {}", self.remark),
            "authorization_servers": [issuer],
            "scopes_supported": ["read"],
            "bearer_methods_supported": ["header"],
        })
    }

    fn asm(&self, issuer: &str) -> Value {
        let mut document = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "registration_endpoint": format!("{issuer}/register"),
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_methods_supported": ["none"],
            "authorization_response_iss_parameter_supported": true,
            "scopes_supported": ["read", "offline_access"],
        });
        if self.pkce {
            document["code_challenge_methods_supported"] = json!(["S256"]);
        }
        if self.cimd {
            document["client_id_metadata_document_supported"] = json!(true);
        }
        document
    }
}

/// The report on evidence under the rubric in force.
pub(crate) fn judge(evidence: &Evidence) -> Report {
    scanner::grade::grade(evidence, scanner::rubric::current())
}

/// Answers a JSON-RPC message without asking who sent it.
fn open(ask: &Ask) -> String {
    let message: Value =
        serde_json::from_str(ask.body.as_deref().unwrap_or_default()).unwrap_or_default();
    let result = match message["method"].as_str().unwrap_or_default() {
        "server/discover" => json!({"supportedVersions": ["2026-07-28"], "capabilities": {}}),
        "initialize" => json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "sample", "version": "1"},
        }),
        "tools/list" => json!({"resultType": "complete", "tools": [
            {"name": "look", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": true}},
        ]}),
        _ => {
            return json!({"jsonrpc": "2.0", "id": message["id"],
                "error": {"code": -32601, "message": "no such method"}})
            .to_string();
        }
    };
    json!({"jsonrpc": "2.0", "id": message["id"], "result": result}).to_string()
}

/// What a host says that refuses old versions and weak suites.
fn handshake(offer: Offer, url: &str) -> Response {
    let host = url.trim_start_matches("https://").trim_end_matches('/');
    match offer {
        Offer::Ordinary | Offer::Tls13 => Response::of_handshake(None, Some(tls(host)), None),
        Offer::Old | Offer::Weak | Offer::Broken => {
            Response::of_handshake(None, None, Some(Hello::Alert(70)))
        }
    }
}

fn tls(host: &str) -> TlsSeen {
    TlsSeen {
        version: "1.3".into(),
        leaf_sha256: "ab".repeat(32),
        names: vec![host.into(), format!("id.{host}")],
        issuer: "CN=Sample CA".into(),
        not_before: DAY_ONE.plus(-30 * DAY),
        not_after: DAY_ONE.plus(360 * DAY),
        fault: None,
        repaired_from: None,
    }
}

/// 26 characters that look random, the same for the same number.
fn nonce(seed: i64) -> String {
    let mut state = seed.unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..26)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            char::from(b"abcdefghijklmnopqrstuvwxyz234567"[(state % 32) as usize])
        })
        .collect()
}
