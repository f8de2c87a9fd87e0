//! A world in memory for the cases of checks: a compliant server, changed in one point,
//! asked by the real plan. No network: what is tested is what the plan asks, what the facts
//! read and what the check says.

mod answers;
mod authorizing;
mod owner;

use serde_json::Value;

pub(crate) use answers::{
    asm, authorization, challenge, document, good_challenge, has_header, is_endpoint, jwks, prm,
    response, set_body, status, text, tools, without_query,
};
use answers::{good_hello, good_tls, preflight, speak};
pub(crate) use authorizing::{authorizing, authorizing_but};
pub(crate) use owner::{code, owned_but, refused, result, token, token_response};

use crate::check::{Check, Judgement, Unmet, Verdict};
use crate::evidence::{
    Consent, Credential, Depth, Evidence, Exchange, Failure, Hello, Offer, Operations, Purpose,
    Request, Response, Stopped, Supplied, TlsSeen, Visit,
};
use crate::facts::Facts;
use crate::plan::{self, Ask, FormValue, HeaderValue, Limits};
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
type Arrival = Box<dyn Fn(&Ask) -> Option<Visit>>;
type Rule = Box<dyn Fn(&Ask) -> Option<Answer>>;
type Edit = Box<dyn Fn(&Ask, &mut Answer)>;
type HelloRule = Box<dyn Fn(&str, Offer) -> Option<Result<Hello, Failure>>>;
type TlsEdit = Box<dyn Fn(&Ask, &mut Option<TlsSeen>)>;

/// What is true of the outside while a scan runs. Later rules win over earlier ones; edits
/// are applied to whatever a rule answered, in the order they were added.
pub(crate) struct World {
    rules: Vec<Rule>,
    edits: Vec<Edit>,
    tls: Vec<TlsEdit>,
    hellos: Vec<HelloRule>,
    pub(crate) target: Target,
    pub(crate) depth: Depth,
    pub(crate) allow_private: bool,
    pub(crate) consent: Option<Consent>,
    pub(crate) own_host: Option<String>,
    pub(crate) supplied: Vec<Supplied>,
    pub(crate) operations: Operations,
    /// What reaches our own host because of an ask.
    visits: Vec<Arrival>,
}

impl World {
    /// Nothing answers: every request is refused.
    pub(crate) fn empty() -> Self {
        Self {
            rules: Vec::new(),
            edits: Vec::new(),
            tls: Vec::new(),
            hellos: Vec::new(),
            target: Target::of(ENDPOINT),
            depth: Depth::Standard,
            allow_private: false,
            consent: None,
            own_host: None,
            supplied: Vec::new(),
            operations: Operations::default(),
            visits: Vec::new(),
        }
    }

    /// The same at depth consented, with consent for the hosts of the compliant world, and
    /// with a host of our own.
    pub(crate) fn consented(mut self) -> Self {
        self.depth = Depth::Consented;
        self.consent = Some(Consent {
            hosts: vec!["mcp.example.com".into(), "id.example.com".into()],
            basis: "test".into(),
            recorded: STARTED,
        });
        self.own_host = Some("https://own.example.net/canary".into());
        self
    }

    /// The same at depth credentialed, with these kinds of credentials (opaque values).
    pub(crate) fn credentialed(self, kinds: &[Credential]) -> Self {
        let mut world = self.consented();
        world.depth = Depth::Credentialed;
        world.supplied = kinds
            .iter()
            .map(|kind| Supplied {
                kind: *kind,
                claims: None,
                client_id: None,
                redirect_uri: None,
                confidential: false,
            })
            .collect();
        world
    }

    /// Adds visits to our own host: what an ask makes somebody fetch.
    pub(crate) fn visit(&mut self, arrival: impl Fn(&Ask) -> Option<Visit> + 'static) -> &mut Self {
        self.visits.push(Box::new(arrival));
        self
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

    /// Answers hellos that are made by hand: the host (with its port if not 443) and the offer.
    /// Everything else refuses old versions and weak suites, and has TLS 1.3.
    pub(crate) fn hello(
        &mut self,
        rule: impl Fn(&str, Offer) -> Option<Result<Hello, Failure>> + 'static,
    ) -> &mut Self {
        self.hellos.push(Box::new(rule));
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

    /// Nobody comes to our own host.
    pub(crate) fn forget_visits(&mut self) {
        self.visits.clear();
    }

    /// Runs the real plan against this world.
    pub(crate) fn scan(&self) -> Evidence {
        self.scan_within(Limits::default().consented_requests)
    }

    /// The same with another budget for what needs consent.
    pub(crate) fn scan_within(&self, consented_requests: u32) -> Evidence {
        let limits = Limits {
            depth: self.depth,
            consented_requests,
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
            consent: self.consent.clone(),
            own_host: self.own_host.clone(),
            visits: Vec::new(),
            supplied: self.supplied.clone(),
            operations: self.operations.clone(),
            obtained: Vec::new(),
        };
        let mut vault = owner::Vault::default();
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
                let mut exchange =
                    self.put(&ask, u32::try_from(evidence.exchanges.len()).expect("few"));
                let visits = self.visits.iter().filter_map(|visit| visit(&ask));
                evidence.visits.extend(visits);
                vault.note(&mut evidence, &mut exchange);
                evidence.exchanges.push(exchange);
            }
        }
        evidence
    }

    fn answered(&self, ask: &Ask) -> Answer {
        if let Purpose::Handshake(offer) = ask.purpose {
            let host = ask.url.trim_start_matches("https://").trim_end_matches('/');
            let hello = self.hellos.iter().rev().find_map(|rule| rule(host, offer));
            return match (hello, good_hello(offer)) {
                (Some(hello), _) => hello.map(Some),
                (None, hello) => Ok(hello),
            }
            .map(|hello| Response::of_handshake(None, None, hello));
        }
        let mut got = self
            .rules
            .iter()
            .rev()
            .find_map(|rule| rule(ask))
            .unwrap_or(Err(Failure::Refused));
        for edit in &self.edits {
            edit(ask, &mut got);
        }
        got
    }

    fn put(&self, ask: &Ask, id: u32) -> Exchange {
        let mut got = self.answered(ask);
        if let Ok(response) = &mut got
            && ask.url.starts_with("https://")
            && response.tls.is_none()
            && response.hello.is_none()
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
                            HeaderValue::Secret(_) => "[redacted:credential:len=1]".into(),
                            HeaderValue::Bearer(_) => "Bearer [redacted:credential:len=1]".into(),
                            HeaderValue::Basic(..) => "Basic [redacted:credential:len=1]".into(),
                        };
                        ((*name).to_owned(), value)
                    })
                    .collect(),
                body: ask.body.clone().or_else(|| form_text(ask)),
            },
            after_ms: id * 1000,
            took_ms: 20,
            got,
        }
    }
}

/// A form as the record keeps it.
fn form_text(ask: &Ask) -> Option<String> {
    let pairs = ask.form.iter().map(|(name, value)| match value {
        FormValue::Plain(value) => format!("{name}={value}"),
        FormValue::Secret(_) => format!("{name}=[redacted:credential:len=1]"),
    });
    (!ask.form.is_empty()).then(|| pairs.collect::<Vec<_>>().join("&"))
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
