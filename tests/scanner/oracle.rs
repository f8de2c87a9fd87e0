//! A second opinion on who would connect: recorded answers are replayed through the discovery
//! of the official Rust client library, and our profile of that library has to agree with what
//! it does, or the difference is explained here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

use hyper::http;
use rmcp::transport::auth::{
    AuthError, AuthorizationManager, AuthorizationMetadataSource, AuthorizationRequest,
    AuthorizationSession, OAuthHttpClient, OAuthHttpClientFuture, OAuthHttpRequest,
};
use scanner::accuracy::Item;
use scanner::connect::{connection, profile};
use scanner::evidence::{Evidence, Exchange, Failure, Purpose};
use scanner::facts::Facts;
use scanner::facts::documents::Document;
use scanner::facts::outcome::Outcome;
use scanner::fleet::{Fleet, demo};
use scanner::net::NetScanner;
use scanner::report::{Connection, Reach, Step};
use scanner::scan::Scan;
use scanner::target::Target;
use url::Url;

use crate::loopback;

/// Our profile of the library.
const PROFILE: &str = "rmcp-3.11";

/// A difference between what we say and what the library does.
struct Difference {
    ours: &'static str,
    theirs: &'static str,
    /// The evidence has what makes the difference.
    shown: fn(&Facts<'_>) -> bool,
    why: &'static str,
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        ours: "connects",
        theirs: "tries default endpoints",
        shown: |facts| documents(facts).any(|document| document.bom),
        why: "its JSON reader takes no byte-order mark; what fetch gives a web client has none left",
    },
    Difference {
        ours: "connects",
        theirs: "tries default endpoints",
        shown: doubled,
        why: "it refuses a member that stands twice; other readers take the first or the last",
    },
    Difference {
        ours: "stops at resource",
        theirs: "tries default endpoints",
        shown: doubled,
        why: "it refuses a member that stands twice before it compares anything",
    },
    Difference {
        ours: "connects",
        theirs: "stops at resource",
        shown: |facts| {
            documents(facts).any(|document| {
                document
                    .text("resource")
                    .is_some_and(|resource| resource.contains('#'))
            })
        },
        why: "it refuses a fragment in `resource`, which our comparison of paths does not see",
    },
    Difference {
        ours: "connects",
        theirs: "stops at resource",
        shown: |facts| facts.endpoint_text() != facts.evidence.target.url,
        why: "it holds on to the http URL that it was given, where we judge the https URL that answers",
    },
    Difference {
        ours: "stops at issuer",
        theirs: "connects",
        shown: |facts| {
            facts
                .issuers()
                .iter()
                .any(|issuer| issuer.listed.contains("/.well-known/"))
        },
        why: "it takes a listed metadata URL for the place of the metadata instead of an issuer",
    },
    Difference {
        ours: "fails for want of an answer",
        theirs: "connects",
        shown: |facts| {
            facts
                .header_prm_url()
                .is_some_and(|url| url.starts_with("http://"))
        },
        why: "it ignores a pointer from https to http and goes on with the well-known URLs",
    },
    Difference {
        ours: "fails for want of an answer",
        theirs: "stops at as_metadata",
        shown: |facts| {
            facts
                .issuers()
                .iter()
                .any(|issuer| issuer.listed.starts_with("http://localhost"))
        },
        why: "it does not ask a loopback server in the name of a public one",
    },
    Difference {
        ours: "stops at as_metadata",
        theirs: "fails for want of an answer",
        shown: |facts| {
            facts.issuers().iter().any(|issuer| {
                issuer
                    .candidates
                    .iter()
                    .any(|candidate| matches!(candidate.answer.failure(), Some(Failure::Dns(_))))
            })
        },
        why: "a name that does not exist is absence to us and a failed request to it; both end there",
    },
    Difference {
        ours: "stops at as_metadata",
        theirs: "stops otherwise: OAuth error: Invalid token URL: relative URL without a base",
        shown: |facts| {
            documents(facts).any(|document| {
                document
                    .text("token_endpoint")
                    .is_some_and(|endpoint| endpoint.starts_with('/'))
            })
        },
        why: "it takes a document with a relative endpoint and fails on the endpoint itself; both end there",
    },
    Difference {
        ours: "tries default endpoints",
        theirs: "stops at as_metadata",
        shown: |facts| {
            documents(facts).any(|document| document.text("authorization_server").is_some())
        },
        why: "it also reads `authorization_server` of an old draft",
    },
];

/// Every metadata document of the evidence.
fn documents<'f>(facts: &'f Facts<'_>) -> impl Iterator<Item = &'f Document> {
    let prms = facts.prm_candidates().iter();
    let asms = facts.issuers().iter().flat_map(|issuer| &issuer.candidates);
    prms.filter_map(|candidate| candidate.document.as_ref())
        .chain(asms.filter_map(|candidate| candidate.document.as_ref()))
}

fn doubled(facts: &Facts<'_>) -> bool {
    documents(facts).any(|document| !document.duplicates.is_empty())
}

/// Answers what was recorded for a URL; 404 for what was never asked, and a registration
/// succeeds, since only its advertisement is in passive evidence.
struct Replay {
    answers: BTreeMap<String, Exchange>,
    registration: BTreeSet<String>,
    unrecorded: Mutex<Vec<String>>,
}

impl Replay {
    fn of(evidence: &Evidence) -> Self {
        let mut answers = BTreeMap::new();
        let mut registration = BTreeSet::new();
        for exchange in &evidence.exchanges {
            if let Ok(response) = &exchange.got
                && let Ok(document) = serde_json::from_str::<serde_json::Value>(&response.body.text)
                && let Some(url) = document["registration_endpoint"].as_str()
            {
                registration.insert(plain(url));
            }
            let asked = matches!(
                exchange.purpose,
                Purpose::Prm(_) | Purpose::AsMetadata(..) | Purpose::EventStream
            );
            if asked && exchange.asked.method == "GET" {
                // A retry replaces the attempt before it.
                answers.insert(plain(&exchange.asked.url), exchange.clone());
            }
        }
        Self {
            answers,
            registration,
            unrecorded: Mutex::default(),
        }
    }

    fn answer(
        &self,
        request: &http::Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, Box<dyn std::error::Error + Send + Sync>> {
        let url = plain(&request.uri().to_string());
        if request.method() == "POST" && self.registration.contains(&url) {
            let asked: serde_json::Value = serde_json::from_slice(request.body())?;
            let body = serde_json::json!({
                "client_id": "oracle",
                "redirect_uris": asked["redirect_uris"],
            });
            return Ok(http::Response::builder()
                .status(201)
                .body(body.to_string().into_bytes())?);
        }
        let recorded = self.answers.get(&url).filter(|_| request.method() == "GET");
        let Some(exchange) = recorded else {
            self.unrecorded.lock().unwrap().push(url);
            return Ok(http::Response::builder().status(404).body(Vec::new())?);
        };
        match &exchange.got {
            Err(failure) => Err(format!("recorded failure: {}", failure.word()).into()),
            Ok(response) => {
                let mut out = http::Response::builder().status(response.status);
                for (name, value) in &response.headers {
                    out = out.header(name, value);
                }
                Ok(out.body(response.body.text.clone().into_bytes())?)
            }
        }
    }
}

impl OAuthHttpClient for Replay {
    fn execute(&self, request: OAuthHttpRequest) -> OAuthHttpClientFuture<'_> {
        let answer = self.answer(&request.request);
        Box::pin(async move { answer })
    }
}

/// One form for URLs that differ only in the slash of an empty path.
fn plain(url: &str) -> String {
    Url::parse(url).map_or_else(|_| url.to_owned(), String::from)
}

/// What the library did, in the words of our profiles.
async fn theirs(evidence: &Evidence, challenge: &str) -> (String, Vec<String>) {
    let replay = Arc::new(Replay::of(evidence));
    let said = go(evidence, challenge, replay.clone()).await;
    let unrecorded = replay.unrecorded.lock().unwrap().clone();
    (said, unrecorded)
}

async fn go(evidence: &Evidence, challenge: &str, replay: Arc<Replay>) -> String {
    let manager =
        AuthorizationManager::new_with_oauth_http_client(evidence.target.url.as_str(), replay)
            .await;
    let mut manager = match manager {
        Ok(manager) => manager,
        Err(error) => return stopped(&error),
    };
    let resolution = match manager
        .resolve_metadata_from_challenge(Some(challenge))
        .await
    {
        Ok(resolution) => resolution,
        Err(error) => return stopped(&error),
    };
    if resolution.source == AuthorizationMetadataSource::LegacyEndpointFallback {
        return "tries default endpoints".to_owned();
    }
    manager.set_metadata(resolution.metadata);
    let request = AuthorizationRequest::new("http://127.0.0.1:33418/callback")
        .with_client_metadata_url("https://client.example/client.json");
    match AuthorizationSession::new(manager, request).await {
        Ok(session) if session.auth_url.contains("code_challenge_method=S256") => {
            "connects".to_owned()
        }
        Ok(session) => format!("sends its user to {}", session.auth_url),
        Err((_, error)) => stopped(&error),
    }
}

/// The step at which an error of the library stops it.
fn stopped(error: &AuthError) -> String {
    let text = error.to_string();
    let step = match error {
        AuthError::DiscoveryRequestFailed { source, .. }
            if source.to_string().starts_with("recorded failure") =>
        {
            return "fails for want of an answer".to_owned();
        }
        AuthError::DiscoveryRequestFailed { .. } => "discovery",
        AuthError::ProtectedResourceMetadataInvalid { .. } if text.contains("carries neither") => {
            Step::ResourceMetadata.as_str()
        }
        AuthError::ProtectedResourceMetadataInvalid { .. } => Step::Resource.as_str(),
        AuthError::AuthorizationServersUnavailable { .. } => Step::AsMetadata.as_str(),
        AuthError::AuthorizationServerMismatch { .. }
        | AuthError::AuthorizationServerMissingIssuer { .. } => Step::Issuer.as_str(),
        AuthError::PkceUnsupported => Step::Pkce.as_str(),
        AuthError::InvalidScope(what) if what == "code" => Step::Token.as_str(),
        // The reason is wrapped into the text of a failed registration.
        AuthError::RegistrationFailed(_) if text.contains("PKCE") => Step::Pkce.as_str(),
        AuthError::RegistrationFailed(_) if text.contains("Invalid scope: code") => {
            Step::Token.as_str()
        }
        AuthError::RegistrationFailed(_) if text.contains("not supported") => {
            Step::Registration.as_str()
        }
        _ => return format!("stops otherwise: {text}"),
    };
    format!("stops at {step}")
}

/// What our profile says, in the same words.
fn ours(connection: &Connection) -> String {
    let step = connection.step.map_or("", Step::as_str);
    match (connection.result, connection.reason.as_str()) {
        (Reach::Connects, _) => "connects".to_owned(),
        (Reach::CannotTell, "default_endpoints") => "tries default endpoints".to_owned(),
        (Reach::CannotTell, "network") => "fails for want of an answer".to_owned(),
        (Reach::CannotTell, reason) => format!("cannot tell: {reason}"),
        (Reach::Stops, "server_error") => "stops at discovery".to_owned(),
        (Reach::Stops, _) => format!("stops at {step}"),
    }
}

/// The first challenge that a request without a token met, as the client hands it on.
fn challenge(facts: &Facts<'_>) -> Option<String> {
    let refusal = facts
        .anonymous()
        .find(|answer| answer.outcome == Outcome::Challenge)?;
    let response = refusal.response()?;
    let pointed = response
        .headers_named("www-authenticate")
        .find(|line| line.contains("resource_metadata"));
    let line = pointed.or(response.header("www-authenticate"));
    Some(line.unwrap_or_default().to_owned())
}

/// Why this evidence says nothing about the library's discovery.
fn beside_the_point(connection: &Connection) -> bool {
    // Nothing begins where nobody asks for a token, and no certificate is replayed.
    connection.reason == "open"
        || connection.reason == "certificate"
        || matches!(connection.step, Some(Step::Endpoint | Step::Challenge))
}

/// What came of holding one set of evidence against the library.
#[derive(Default)]
struct Tally {
    agreed: BTreeMap<String, u32>,
    undecided: BTreeMap<String, u32>,
    explained: BTreeSet<usize>,
    unexplained: Vec<String>,
    beside: u32,
}

impl Tally {
    async fn hold(&mut self, name: &str, evidence: &Evidence) {
        let facts = Facts::new(evidence);
        let profile = profile::by_id(PROFILE).expect("our profile of the library");
        let connection = connection(&facts, profile);
        let Some(challenge) = challenge(&facts).filter(|_| !beside_the_point(&connection)) else {
            self.beside += 1;
            return;
        };
        let ours = ours(&connection);
        let (theirs, unrecorded) = theirs(evidence, &challenge).await;
        if ours == theirs {
            *self.agreed.entry(ours).or_default() += 1;
            return;
        }
        // The library was given 404 where we know that nothing was asked, or an answer that
        // was not the server's own.
        if ours.starts_with("cannot tell") {
            *self.undecided.entry(ours).or_default() += 1;
            return;
        }
        let reason = DIFFERENCES.iter().position(|difference| {
            difference.ours == ours && difference.theirs == theirs && (difference.shown)(&facts)
        });
        match reason {
            Some(position) => {
                self.explained.insert(position);
            }
            None => self.unexplained.push(format!(
                "{name}: we say `{ours}` ({}; {}), the library `{theirs}`; unrecorded: {}",
                connection.reason,
                connection.detail,
                unrecorded.join(" ")
            )),
        }
    }

    /// Every difference has its reason.
    #[track_caller]
    fn settle(&self) {
        assert!(
            self.unexplained.is_empty(),
            "agreed: {:?}\n{}",
            self.agreed,
            self.unexplained.join("\n")
        );
    }
}

/// Every server of the sample fleet, as it is before and after it changes.
#[tokio::test(flavor = "multi_thread")]
async fn the_library_agrees_over_the_fleet() {
    let fleet = Fleet::start(demo::world()).await.unwrap();
    let settings = loopback::reaching(&fleet);
    let scanner = NetScanner::new(settings).await.unwrap();
    let mut tally = Tally::default();
    let mut lines = String::new();
    for pass in ["before", "after"] {
        for (url, name) in fleet.targets() {
            let evidence = scanner.scan(&Target::of(&url), "scn_oracle").await;
            tally.hold(&name, &evidence).await;
            lines.push_str(&format!("{pass} {name}\n{}", outlook(&evidence)));
        }
        fleet.change(demo::change);
    }
    tally.settle();
    let agreed: u32 = tally.agreed.values().sum();
    assert!(agreed >= 12, "{:?}, {} beside", tally.agreed, tally.beside);
    insta::assert_snapshot!(lines);
}

/// How every profile ends there, equal ends together.
fn outlook(evidence: &Evidence) -> String {
    let mut ends: Vec<(String, Vec<String>)> = Vec::new();
    for connection in scanner::connect::outlook(&Facts::new(evidence)) {
        let step = connection.step.map_or("", Step::as_str);
        let end = format!(
            "{} {step} {}",
            connection.result.as_str(),
            connection.reason
        );
        match ends.iter_mut().find(|(known, _)| *known == end) {
            Some((_, profiles)) => profiles.push(connection.profile),
            None => ends.push((end, vec![connection.profile])),
        }
    }
    ends.iter()
        .map(|(end, profiles)| format!("  {end}: {}\n", profiles.join(" ")))
        .collect()
}

/// All recorded evidence of the corpus.
#[tokio::test(flavor = "multi_thread")]
async fn the_library_agrees_over_the_corpus() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus");
    let mut tally = Tally::default();
    let mut items = 0;
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        if !entry.file_name().to_string_lossy().ends_with(".ndjson.zst") {
            continue;
        }
        let file = std::fs::File::open(entry.path()).unwrap();
        let text = String::from_utf8(zstd::decode_all(file).unwrap()).unwrap();
        for line in text.lines() {
            let item: Item = serde_json::from_str(line).unwrap();
            tally.hold(&item.name, &item.evidence).await;
            items += 1;
        }
    }
    tally.settle();
    let agreed: u32 = tally.agreed.values().sum();
    assert!(items > 500 && agreed * 2 > items, "{agreed} of {items}");
    // The comparison means something: each of these ends was reached by both.
    for end in [
        "connects",
        "tries default endpoints",
        "stops at discovery",
        "stops at resource",
        "stops at as_metadata",
        "stops at issuer",
        "stops at pkce",
        "stops at token",
    ] {
        assert!(tally.agreed.contains_key(end), "{end}: {:?}", tally.agreed);
    }
    let undecided: u32 = tally.undecided.values().sum();
    assert!(undecided * 20 < agreed, "{:?}", tally.undecided);
    for (position, difference) in DIFFERENCES.iter().enumerate() {
        assert!(!difference.why.is_empty());
        assert!(
            tally.explained.contains(&position),
            "nothing shows any more that {}",
            difference.why
        );
    }
}
