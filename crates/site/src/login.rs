//! A login as a strict client makes it: from the challenge to a token, step by step, and no
//! further than the first step where such a client has to stop. What the server's documents
//! are worth is the scanner's judgement; nothing of that is done here again.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use scanner::evidence::{Claims, Evidence};
use scanner::facts::documents::Document;
use scanner::facts::{Facts, quote};
use scanner::grade::grade;
use scanner::net::NetScanner;
use scanner::report::{FindingVerdict, Report};
use scanner::rubric;
use scanner::spec::Revision;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use url::Url;

use crate::browser::{self, Open};

mod requests;

/// How the client is known to the authorization server.
#[derive(Clone, Default)]
pub enum Client {
    /// It registers itself.
    #[default]
    Register,
    /// By a document at this URL.
    Document(Url),
    /// It was registered beforehand; a secret if it is confidential.
    Known(String, Option<String>),
}

/// What a login is made from.
pub struct Options {
    /// How the client is known.
    pub client: Client,
    /// Scopes to ask for, in place of those that the server names.
    pub scope: Option<String>,
    /// Port of the redirect; any free one if 0.
    pub port: u16,
    /// How long somebody may take to sign in.
    pub patience: std::time::Duration,
    /// Sixteen random bytes at a time.
    pub entropy: fn() -> [u8; 16],
    /// Shows the request to whoever signs in.
    pub open: Open,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// As it should.
    Ok,
    /// Good enough to go on; what is said is worth knowing.
    Note,
    /// A strict client stops here.
    Stopped,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Which.
    pub step: &'static str,
    /// How it ended.
    pub ending: Ending,
    /// One sentence. Text of servers in it is quoted and escaped.
    pub said: String,
}

/// What a login brought; the token stands beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Brought {
    /// The authorization server.
    pub issuer: String,
    /// The resource that was asked for.
    pub resource: String,
    /// The client.
    pub client_id: String,
    /// Scopes that were granted.
    pub scope: Option<String>,
    /// Seconds that the token lives.
    pub expires_in: Option<i64>,
    /// `aud`, if the token says it.
    pub audience: Vec<String>,
    /// A refresh token came with it. It is not kept.
    pub refresh_token: bool,
}

/// A login.
#[derive(Clone, Serialize)]
pub struct Login {
    /// The endpoint.
    pub target: String,
    /// The steps, the last one stopped if there is no token.
    pub steps: Vec<Step>,
    /// What it brought.
    pub result: Option<Brought>,
    /// The access token.
    #[serde(skip)]
    pub token: Option<String>,
}

/// The steps so far, and who hears of each.
struct Steps<'h> {
    list: Vec<Step>,
    heard: &'h (dyn Fn(&Step) + Sync),
}

/// A strict client stopped; the last step says why.
struct Stop;

impl Steps<'_> {
    fn add(&mut self, step: &'static str, ending: Ending, said: impl Into<String>) {
        let step = Step {
            step,
            ending,
            said: said.into(),
        };
        (self.heard)(&step);
        self.list.push(step);
    }

    fn ok(&mut self, step: &'static str, said: impl Into<String>) {
        self.add(step, Ending::Ok, said);
    }

    fn stop<T>(&mut self, step: &'static str, said: impl Into<String>) -> Result<T, Stop> {
        self.add(step, Ending::Stopped, said);
        Err(Stop)
    }

    /// Stops if one of these checks fails or cannot be told; notes what warns.
    fn gate(&mut self, step: &'static str, report: &Report, checks: &[&str]) -> Result<(), Stop> {
        for check in checks {
            let finding = report.findings.iter().find(|found| found.check == *check);
            let Some(finding) = finding else { continue };
            match finding.verdict {
                FindingVerdict::Fail => {
                    return self.stop(step, format!("{} ({check})", finding.detail));
                }
                FindingVerdict::Inconclusive => {
                    return self.stop(
                        step,
                        format!("{check} could not be told: {}.", finding.reason),
                    );
                }
                FindingVerdict::Warn => {
                    self.add(step, Ending::Note, format!("{} ({check})", finding.detail));
                }
                FindingVerdict::Pass | FindingVerdict::Na => {}
            }
        }
        Ok(())
    }
}

/// What discovery found.
struct Found {
    resource: String,
    issuer: String,
    authorization_endpoint: Url,
    token_endpoint: Url,
    registration_endpoint: Option<Url>,
    scope: Option<String>,
    takes_documents: bool,
    sends_iss: bool,
    /// Of the token endpoint.
    auth_methods: Vec<String>,
}

/// Logs in at the server that this evidence is of. `heard` hears of every step.
pub async fn login(
    scanner: &NetScanner,
    evidence: &Evidence,
    options: &Options,
    heard: &(dyn Fn(&Step) + Sync),
) -> Login {
    let mut steps = Steps {
        list: Vec::new(),
        heard,
    };
    let report = grade(evidence, rubric::current());
    let ended = match discovered(evidence, &report, &mut steps) {
        Ok(found) => authorized(scanner, &found, options, &mut steps).await,
        Err(stop) => Err(stop),
    };
    let (result, token) = match ended {
        Ok((result, token)) => (Some(result), Some(token)),
        Err(Stop) => (None, None),
    };
    Login {
        target: evidence.target.url.clone(),
        steps: steps.list,
        result,
        token,
    }
}

// --- discovery ----------------------------------------------------------------------------

fn discovered(evidence: &Evidence, report: &Report, steps: &mut Steps<'_>) -> Result<Found, Stop> {
    let facts = Facts::new(evidence);
    steps.gate(
        "challenge",
        report,
        &["tls-https-endpoint", "tls-certificate-valid"],
    )?;
    if !facts.protected() {
        return steps.stop("challenge", "The server asks nobody for a token.");
    }
    steps.gate("challenge", report, &["challenge-status-401"])?;
    match facts.first_challenge() {
        Some(_) => steps.ok("challenge", "A request without a token is answered with a challenge."),
        None => steps.add(
            "challenge",
            Ending::Note,
            "A request without a token is refused without a Bearer challenge; the well-known addresses are tried.",
        ),
    }
    steps.gate(
        "resource metadata",
        report,
        &[
            "prm-discoverable",
            "prm-http-response",
            "prm-resource-syntax",
        ],
    )?;
    let prm = facts.prm(Revision::HEADLINE);
    let Some((prm, resource)) = prm
        .as_ref()
        .ok()
        .and_then(|prm| Some((prm, prm.resource()?.to_owned())))
    else {
        return steps.stop(
            "resource metadata",
            "No protected-resource metadata can be read.",
        );
    };
    steps.ok(
        "resource metadata",
        format!("Found at {}.", quote(&prm.candidate.url)),
    );
    steps.gate(
        "resource",
        report,
        &["prm-resource-same-origin", "prm-resource-identical"],
    )?;
    steps.ok("resource", format!("`resource` is {}.", quote(&resource)));
    steps.gate(
        "authorization server",
        report,
        &[
            "prm-authorization-servers-present",
            "prm-authorization-servers-form",
            "asm-discoverable",
        ],
    )?;
    let asms = facts.asms(Revision::HEADLINE).unwrap_or_default();
    let Some(asm) = asms.first() else {
        return steps.stop(
            "authorization server",
            "No authorization-server metadata can be read.",
        );
    };
    let issuer = asm.issuer.listed.clone();
    steps.ok(
        "authorization server",
        format!("{} has metadata.", quote(&issuer)),
    );
    steps.gate(
        "issuer",
        report,
        &["asm-issuer-syntax", "asm-issuer-identical"],
    )?;
    if asm.document.text("issuer") != Some(issuer.as_str()) {
        return steps.stop(
            "issuer",
            format!(
                "The metadata names {}, the resource {}.",
                quote(asm.document.text("issuer").unwrap_or_default()),
                quote(&issuer)
            ),
        );
    }
    steps.ok(
        "issuer",
        "The metadata names the issuer that the resource names.",
    );
    steps.gate(
        "metadata",
        report,
        &["asm-required-fields", "asm-endpoints-https"],
    )?;
    steps.gate("pkce", report, &["pkce-advertised", "pkce-s256"])?;
    steps.ok("pkce", "S256 is offered.");
    let endpoint = |member| endpoint(&facts, asm.document, member);
    let (Some(authorization_endpoint), Some(token_endpoint)) = (
        endpoint("authorization_endpoint"),
        endpoint("token_endpoint"),
    ) else {
        return steps.stop(
            "metadata",
            "Authorization or token endpoint is missing, or not reached over https.",
        );
    };
    let demanded = facts.challenge_scopes();
    let mut scopes: Vec<&str> = demanded.iter().map(|(scope, _)| *scope).collect();
    if scopes.is_empty() {
        scopes = prm.document.texts("scopes_supported").unwrap_or_default();
    }
    scopes.truncate(20);
    Ok(Found {
        scope: (!scopes.is_empty()).then(|| scopes.join(" ")),
        resource,
        issuer,
        authorization_endpoint,
        token_endpoint,
        registration_endpoint: endpoint("registration_endpoint"),
        takes_documents: asm.document.flag("client_id_metadata_document_supported") == Some(true),
        sends_iss: asm
            .document
            .flag("authorization_response_iss_parameter_supported")
            == Some(true),
        auth_methods: asm
            .document
            .texts("token_endpoint_auth_methods_supported")
            .unwrap_or_default()
            .into_iter()
            .map(str::to_owned)
            .collect(),
    })
}

fn endpoint(facts: &Facts<'_>, document: &Document, member: &str) -> Option<Url> {
    let url = Url::parse(document.text(member)?).ok()?;
    facts.secure(&url).then_some(url)
}

// --- authorization ------------------------------------------------------------------------

async fn authorized(
    scanner: &NetScanner,
    found: &Found,
    options: &Options,
    steps: &mut Steps<'_>,
) -> Result<(Brought, String), Stop> {
    let listener = match TcpListener::bind(("127.0.0.1", options.port)).await {
        Ok(listener) => listener,
        Err(error) => {
            return steps.stop(
                "redirect",
                format!("Listening on 127.0.0.1:{}: {error}.", options.port),
            );
        }
    };
    let port = listener.local_addr().map_or(options.port, |at| at.port());
    let redirect = format!("http://127.0.0.1:{port}/callback");
    let Ok(redirect_url) = Url::parse(&redirect) else {
        return steps.stop("redirect", "The redirect address is no URL.");
    };
    let client = requests::client(scanner, found, options, &redirect, steps).await?;
    let random = |parts: usize| {
        let bytes: Vec<u8> = (0..parts).flat_map(|_| (options.entropy)()).collect();
        URL_SAFE_NO_PAD.encode(bytes)
    };
    let (state, verifier) = (random(2), random(3));
    let mut request = found.authorization_endpoint.clone();
    request
        .query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", &client.id)
        .append_pair("redirect_uri", &redirect)
        .append_pair("state", &state)
        .append_pair("code_challenge", &challenge(&verifier))
        .append_pair("code_challenge_method", "S256")
        .append_pair("resource", &found.resource);
    if let Some(scope) = options.scope.as_ref().or(found.scope.as_ref()) {
        request.query_pairs_mut().append_pair("scope", scope);
    }
    steps.ok(
        "authorization",
        format!(
            "Asking {} for a code for this resource, redirected to {redirect}.",
            quote(found.authorization_endpoint.as_str())
        ),
    );
    (options.open)(&request);
    let back = browser::await_redirect(&listener, &redirect_url, &state, options.patience).await;
    let Some(back) = back else {
        return steps.stop(
            "authorization",
            format!(
                "No redirect with our state came within {} seconds.",
                options.patience.as_secs()
            ),
        );
    };
    let code = code(&back, found, steps)?;
    let token =
        requests::redeem(scanner, found, &client, &redirect, &code, &verifier, steps).await?;
    brought(found, client.id, token, steps)
}

fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

/// The code of an authorization response whose `state` is ours.
fn code(back: &Url, found: &Found, steps: &mut Steps<'_>) -> Result<String, Stop> {
    let values = |name: &str| -> Vec<String> {
        back.query_pairs()
            .filter(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
            .collect()
    };
    steps.ok("state", "The response carries the `state` of the request.");
    match values("iss").as_slice() {
        [] if found.sends_iss => {
            return steps.stop(
                "iss",
                "The response has no `iss`, although the metadata promises it (RFC 9207).",
            );
        }
        [] => steps.add(
            "iss",
            Ending::Note,
            "The response does not say which issuer answers.",
        ),
        [iss] if *iss == found.issuer => {
            steps.ok("iss", "The response is of the issuer that was asked.");
        }
        [iss, ..] => {
            return steps.stop(
                "iss",
                format!(
                    "The response says that it is of {}, and {} was asked: it may be a mix-up.",
                    quote(iss),
                    quote(&found.issuer)
                ),
            );
        }
    }
    if let [error, ..] = values("error").as_slice() {
        let described = values("error_description");
        let described = described
            .first()
            .map_or(String::new(), |text| format!(": {}", quote(text)));
        return steps.stop(
            "authorization",
            format!(
                "The authorization server answers {}{described}.",
                quote(error)
            ),
        );
    }
    match values("code").as_slice() {
        [code] if !code.is_empty() => Ok(code.clone()),
        _ => steps.stop("authorization", "The response has no code, or several."),
    }
}

fn brought(
    found: &Found,
    client_id: String,
    answer: requests::TokenAnswer,
    steps: &mut Steps<'_>,
) -> Result<(Brought, String), Stop> {
    let claims = Claims::of_token(&answer.access_token).unwrap_or_default();
    let lives = answer
        .expires_in
        .or_else(|| Some(claims.exp? - claims.iat?));
    let result = Brought {
        issuer: found.issuer.clone(),
        resource: found.resource.clone(),
        client_id,
        scope: answer.scope.or(claims.scope),
        expires_in: lives,
        audience: claims.aud,
        refresh_token: answer.refresh_token,
    };
    let audience = match result.audience.as_slice() {
        [] => "its audience is not to be seen".to_owned(),
        list => format!(
            "its audience is {}",
            list.iter()
                .map(|aud| quote(aud))
                .collect::<Vec<_>>()
                .join(", ")
        ),
    };
    let life = match lives {
        Some(seconds) => format!("it lives for {seconds} seconds"),
        None => "its life is not to be seen".to_owned(),
    };
    let scope = match &result.scope {
        Some(scope) => format!("scope {}", quote(scope)),
        None => "the scope that was asked for".to_owned(),
    };
    let bound = result.audience.is_empty() || result.audience.contains(&result.resource);
    steps.add(
        "token",
        if bound { Ending::Ok } else { Ending::Note },
        format!("An access token with {scope}; {life}; {audience}."),
    );
    Ok((result, answer.access_token))
}
