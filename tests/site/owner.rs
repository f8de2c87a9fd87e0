//! Scans with the owner's credentials over real TLS: a good and a bad pair of servers, and
//! nothing of the credentials in what is kept or said.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};

use scanner::evidence::{
    CodeUse, Consent, Credential, Depth, Evidence, Failure, Operation, Operations, OwnerProbe,
    Purpose,
};
use scanner::fleet::Fleet;
use scanner::fleet::authorization::{Fault, Login};
use scanner::fleet::registration::{Documents, Registering};
use scanner::fleet::resource::{ADMIN, ASK_TOOL, Flaw, Resource, WRITE, WRITE_TOOL};
use scanner::fleet::tokens::{Grant, Ledger};
use scanner::fleet::world::{AuthorizationServer, Edit, McpServer, Speaks, World};
use scanner::grade::grade;
use scanner::net::{Credentials, NetScanner, Settings, SuppliedValue};
use scanner::report::{FindingVerdict, Report};
use scanner::rubric;
use scanner::scan::Scan as _;
use scanner::target::Target;
use scanner::time::Millis;
use serde_json::json;
use site::own_host::{self, Listening, OwnHost};

use crate::loopback;

pub(crate) const SERVER: &str = "notes.example";
pub(crate) const ISSUER: &str = "id.example";
const OWN: &str = "own.example.net";
pub(crate) const URL: &str = "https://notes.example/mcp";

/// A fleet of one server that takes tokens and the authorization server that issues them, and
/// a host of our own.
pub(crate) struct Scene {
    pub(crate) fleet: Fleet,
    ledger: Ledger,
    own: OwnHost,
    _listening: Listening,
    _files: tempfile::TempDir,
}

/// One MCP server with its authorization server, and what the latter hands out.
pub(crate) fn pair(flaws: &[Flaw], faults: &[Fault]) -> (World, Ledger) {
    let issuer = AuthorizationServer::compliant(ISSUER)
        .with_endpoints(&[URL])
        .expect("keys are made")
        .with_registration(Registering::good(), Documents::good())
        .login(Login::Codes)
        .faulty(faults)
        .with(|document| {
            document["scopes_supported"] = json!(["mcp:use", WRITE, "offline_access"]);
        });
    let ledger = issuer.endpoints.as_ref().expect("endpoints").ledger.clone();
    let mut server = McpServer::compliant(SERVER, "Notes", &format!("https://{ISSUER}"));
    server.speaks = Speaks {
        modern: true,
        legacy: true,
        sessions: true,
    };
    server.resource = Some(Resource::good(ledger.clone()).flawed(flaws));
    let world = World {
        servers: vec![server],
        authorization_servers: vec![issuer],
        ..World::default()
    };
    (world, ledger)
}

/// Every kind of credential, as an owner would have it.
pub(crate) fn credentials(ledger: &Ledger) -> BTreeMap<Credential, String> {
    let issuer = format!("https://{ISSUER}");
    let access = |subject: &str, resource: &str, scope: &str| {
        let grant = Grant {
            client: "owner".into(),
            resource: Some(resource.into()),
            scope: scope.into(),
            subject: subject.into(),
            ..Grant::default()
        };
        ledger.issue_access(&issuer, "owner", &grant)
    };
    let now = ledger.now().0 / 1000;
    let signed = |typ: &str, audience: &str, end: i64| {
        ledger.sign(
            typ,
            &json!({ "iss": issuer, "sub": "alice", "aud": audience, "scope": "mcp:use", "iat": end - 300, "exp": end }),
        )
    };
    BTreeMap::from([
        (Credential::AccessToken, access("alice", URL, "mcp:use")),
        (Credential::SecondAccessToken, access("bob", URL, "mcp:use")),
        (
            Credential::OtherAudienceToken,
            access("alice", "https://other.example/mcp", "mcp:use"),
        ),
        (Credential::IdToken, signed("JWT", "owner", now + 300)),
        (Credential::ExpiredToken, signed("at+jwt", URL, now - 3600)),
        (
            Credential::UpstreamToken,
            "upstream-personal-token".to_owned(),
        ),
        (Credential::LowScopeToken, access("alice", URL, "mcp:use")),
        (Credential::BroadScopeToken, access("alice", URL, ADMIN)),
    ])
}

fn operation(tool: &str) -> Operation {
    Operation {
        tool: tool.into(),
        arguments: serde_json::Map::new(),
        responses: serde_json::Map::new(),
    }
}

impl Scene {
    pub(crate) async fn of(flaws: &[Flaw], faults: &[Fault]) -> Self {
        let (world, ledger) = pair(flaws, faults);
        let fleet = Fleet::start(world).await.expect("the fleet starts");
        let files = tempfile::tempdir().expect("a folder");
        let (certificate, key) = fleet.certificate(OWN).expect("a certificate");
        let at = |name: &str| files.path().join(name);
        std::fs::write(at("own.pem"), certificate).expect("written");
        std::fs::write(at("own.key"), key).expect("written");
        let own = OwnHost::new(&format!("https://{OWN}")).expect("an address");
        let listening =
            own_host::listen(&own, "127.0.0.1:0", Some((&at("own.pem"), &at("own.key"))))
                .await
                .expect("it listens");
        fleet.reach(OWN, listening.address);
        Self {
            fleet,
            ledger,
            own,
            _listening: listening,
            _files: files,
        }
    }

    pub(crate) fn settings(&self) -> Settings {
        let mut settings = loopback::reaching(&self.fleet);
        settings.limits.depth = Depth::Credentialed;
        settings.limits.late_code_ms = 0;
        settings.limits.grace_ms = 0;
        settings.limits.consented_requests = 300;
        settings.consent = Some(Consent {
            hosts: vec![SERVER.into(), ISSUER.into()],
            basis: "test".into(),
            recorded: Millis(0),
        });
        settings.own_host = Some(self.own.hosting());
        let mut supplied = Credentials::default();
        for (kind, value) in credentials(&self.ledger) {
            supplied.insert(
                kind,
                SuppliedValue {
                    value,
                    ..SuppliedValue::default()
                },
            );
        }
        settings.credentials = supplied;
        settings.operations = Operations {
            scoped: Some(operation(WRITE_TOOL)),
            input: Some(operation(ASK_TOOL)),
            hierarchy: Some(format!("{ADMIN} implies {WRITE}")),
            wait_for_code: true,
            ..Operations::default()
        };
        // Eleven minutes pass for the authorization server once the last code is there.
        let ledger = self.ledger.clone();
        settings.observer = Some(Arc::new(move |exchange| {
            if exchange.purpose == Purpose::Login(CodeUse::Late) {
                ledger.pass(11 * 60 * 1000);
            }
        }));
        settings
    }

    pub(crate) async fn scan(&self) -> Evidence {
        self.scan_with(self.settings()).await
    }

    pub(crate) async fn scan_with(&self, settings: Settings) -> Evidence {
        let scanner = NetScanner::new(settings).await.expect("a scanner");
        scanner.scan(&Target::of(URL), "scn_owner").await
    }
}

fn said(report: &Report, check: &str) -> String {
    let finding = report
        .findings
        .iter()
        .find(|finding| finding.check == check)
        .unwrap_or_else(|| panic!("{check} is judged"));
    let verdict = match finding.verdict {
        FindingVerdict::Pass => "pass",
        FindingVerdict::Warn => "warn",
        FindingVerdict::Fail => "fail",
        FindingVerdict::Na => "na",
        FindingVerdict::Inconclusive => "inconclusive",
    };
    match finding.reason.as_str() {
        "ok" => format!("{check} {verdict}"),
        reason => format!("{check} {verdict} {reason}"),
    }
}

const CHECKS: [&str; 20] = [
    "pkce-verifier-enforced",
    "ri-token-audience",
    "token-forged-jwt-rejected",
    "token-jku-not-fetched",
    "token-query-refused",
    "token-other-audience-rejected",
    "token-id-token-rejected",
    "token-expired-rejected",
    "token-tampered-rejected",
    "token-passthrough-refused",
    "token-lifetime",
    "scope-insufficient-403",
    "scope-challenge-content",
    "scope-hierarchy",
    "code-single-use",
    "refresh-rotation",
    "session-not-authentication",
    "session-principal-bound",
    "mrtr-request-state",
    "cache-scope-private",
];

fn all(evidence: &Evidence) -> Vec<String> {
    let report = grade(evidence, rubric::current());
    CHECKS.iter().map(|check| said(&report, check)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_pair_passes_all_twenty_checks_and_everything_is_taken_back() {
    let scene = Scene::of(&[], &[]).await;
    let evidence = scene.scan().await;
    let verdicts = all(&evidence);
    let other: Vec<&String> = verdicts
        .iter()
        .filter(|line| line.split(' ').nth(1) != Some("pass"))
        .collect();
    assert_eq!(other, [] as [&String; 0]);
    // Sessions are ended, tokens are revoked before their clients are removed.
    let status = |purpose| {
        let exchange = evidence
            .exchanges
            .iter()
            .find(|exchange| exchange.purpose == purpose);
        exchange.map(|exchange| exchange.got.as_ref().expect("an answer").status)
    };
    assert_eq!(status(Purpose::Owner(OwnerProbe::EndSession)), Some(204));
    for use_ in [CodeUse::Token, CodeUse::StepUp, CodeUse::RefreshNext] {
        assert_eq!(status(Purpose::Revoke(use_)), Some(200), "{use_:?}");
    }
    let endpoints = scene.fleet.seen();
    let authorized: Vec<&str> = endpoints
        .iter()
        .filter(|seen| seen.headers.iter().any(|(name, _)| name == "authorization"))
        .map(|seen| seen.host.as_str())
        .collect();
    assert!(authorized.contains(&SERVER));
    // At the authorization server only the removal of clients carries a token.
    assert!(endpoints.iter().all(|seen| {
        seen.host == SERVER
            || seen.path.starts_with("/register/")
            || !seen.headers.iter().any(|(name, _)| name == "authorization")
    }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_pair_is_found_out() {
    let scene = Scene::of(
        &[
            Flaw::AlgorithmNone,
            Flaw::QueryToken,
            Flaw::IdTokens,
            Flaw::NoExpiry,
            Flaw::NoSignature,
            Flaw::Upstream,
            Flaw::NoScopes,
            Flaw::SessionSuffices,
            Flaw::SessionOfAnybody,
            Flaw::AnyState,
            Flaw::PublicCache,
        ],
        &[
            Fault::NoChallenge,
            Fault::VerifierIgnored,
            Fault::CodeReused,
            Fault::CodeOfAnyClient,
            Fault::CodeForever,
            Fault::NoRotation,
            Fault::WidenedResource,
        ],
    )
    .await;
    scene.fleet.change(|world| {
        world.edits.push(Edit::new(|asked, reply| {
            if asked.path == "/token" {
                reply.body = reply
                    .body
                    .replace("\"expires_in\":300", "\"expires_in\":100000");
            }
        }));
    });
    let verdicts = all(&scene.scan().await);
    assert_eq!(
        verdicts,
        [
            "pkce-verifier-enforced fail wrong_verifier",
            "ri-token-audience fail other_resource_honoured",
            "token-forged-jwt-rejected fail alg_none",
            "token-jku-not-fetched na blocked",
            "token-query-refused fail accepted_in_query",
            "token-other-audience-rejected fail accepted",
            "token-id-token-rejected fail accepted",
            "token-expired-rejected fail accepted",
            "token-tampered-rejected fail changed_claim",
            "token-passthrough-refused fail accepted",
            "token-lifetime fail days",
            "scope-insufficient-403 fail operation_succeeds",
            "scope-challenge-content na no_step_up_challenge",
            "scope-hierarchy pass",
            "code-single-use fail reused_in_parallel",
            "refresh-rotation fail not_rotated",
            "session-not-authentication fail list_served",
            "session-principal-bound fail served_to_another",
            "mrtr-request-state fail accepted_changed",
            "cache-scope-private fail public",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn finer_flaws_are_told_apart() {
    let scene = Scene::of(
        &[
            Flaw::FollowsKeyUrls,
            Flaw::BareStepUp,
            Flaw::NoHierarchy,
            Flaw::StateOfAnybody,
        ],
        &[Fault::OldRefreshWorks, Fault::CodeForever],
    )
    .await;
    let verdicts = all(&scene.scan().await);
    for line in [
        "token-forged-jwt-rejected pass",
        "token-jku-not-fetched fail fetched",
        "scope-challenge-content warn incomplete",
        "scope-hierarchy fail not_expanded",
        "code-single-use warn late",
        "refresh-rotation fail old_token_works",
        "mrtr-request-state fail accepted_of_another",
    ] {
        assert!(
            verdicts.iter().any(|said| said == line),
            "{line}: {verdicts:#?}"
        );
    }
    for (flaw, line) in [
        (Flaw::AnyKey, "token-forged-jwt-rejected fail any_key"),
        (
            Flaw::PublicKeyAsSecret,
            "token-forged-jwt-rejected fail public_key_as_secret",
        ),
        (
            Flaw::ScopeAsToolError,
            "scope-insufficient-403 warn tool_error",
        ),
        (
            Flaw::WrongStepUp,
            "scope-challenge-content fail never_succeeds",
        ),
    ] {
        scene.fleet.change(|world| {
            let server = world.server_mut(SERVER).expect("the server");
            let resource = Resource::good(scene.ledger.clone()).flawed(&[flaw]);
            server.resource = Some(resource);
        });
        let mut settings = scene.settings();
        settings.operations.wait_for_code = false;
        let verdicts = all(&scene.scan_with(settings).await);
        assert!(
            verdicts.iter().any(|said| said == line),
            "{line}: {verdicts:#?}"
        );
    }
}

/// The certificate does not validate: the scan goes on, and nothing of the owner is sent.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lent_over_a_connection_that_does_not_validate() {
    let scene = Scene::of(&[], &[]).await;
    let mut settings = scene.settings();
    settings.extra_roots = Vec::new();
    let lent = credentials(&scene.ledger);
    let mut supplied = Credentials::default();
    for (kind, value) in &lent {
        let value = value.clone();
        supplied.insert(
            *kind,
            SuppliedValue {
                value,
                ..SuppliedValue::default()
            },
        );
    }
    settings.credentials = supplied;
    let evidence = scene.scan_with(settings).await;
    let seen = scene.fleet.seen();
    assert!(seen.iter().any(|seen| seen.host == SERVER));
    for seen in &seen {
        let all = format!("{} {} {:?}", seen.path, seen.body, seen.headers);
        for value in lent.values() {
            assert!(
                !all.contains(value.as_str()),
                "{} {}",
                seen.method,
                seen.path
            );
        }
        assert!(!all.contains("fc_") && !all.contains("fr_"), "{all}");
    }
    let discover = evidence
        .exchanges
        .iter()
        .find(|exchange| exchange.purpose == Purpose::Owner(OwnerProbe::Discover))
        .expect("planned");
    assert_eq!(discover.got, Err(Failure::Blocked("secret".into())));
    let verdicts = all(&evidence);
    assert!(
        verdicts
            .iter()
            .any(|line| line.starts_with("token-query-refused inconclusive")),
        "{verdicts:#?}"
    );
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("a lock").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Everything secret, echoed by the servers wherever they can.
#[tokio::test]
async fn no_credential_is_kept_or_logged() {
    let scene = Scene::of(&[Flaw::QueryToken], &[]).await;
    scene.fleet.change(|world| {
        world.edits.push(Edit::new(|asked, reply| {
            let sent = asked.header("authorization").unwrap_or_default().to_owned();
            let query = asked.query.clone().unwrap_or_default();
            reply.headers.push(("x-echo", sent.clone()));
            reply.headers.push(("x-echo", query));
            if reply.status >= 400 {
                reply.body =
                    json!({ "error": "invalid", "error_description": sent, "body": asked.body })
                        .to_string();
            }
        }));
    });
    let written = Written::default();
    let log = written.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || log.clone())
        .finish();
    // For the whole process: interest in events is remembered across threads.
    tracing::subscriber::set_global_default(subscriber).expect("the only one");
    let settings = scene.settings();
    let mut said = format!("{:?}", settings.credentials);
    let evidence = scene.scan_with(settings).await;
    let report = grade(&evidence, rubric::current());
    said.push_str(&String::from_utf8(evidence.encode().expect("encoded")).expect("text"));
    said.push_str(&serde_json::to_string(&report).expect("encoded"));
    let logged = written.0.lock().expect("a lock").clone();
    let logged = String::from_utf8_lossy(&logged).into_owned();
    assert!(logged.contains("asked"), "nothing was logged");
    said.push_str(&logged);
    assert!(evidence.exchanges.len() > 100);
    for (kind, value) in credentials_of(&scene) {
        // What is left when the beginning is common to all.
        let signature = value.rsplit('.').next().expect("a part").to_owned();
        for part in [value, signature] {
            assert!(!said.contains(&part), "{kind:?}: {part}");
        }
    }
    // What the server keeps for its owner, and what the scan obtained.
    for canary in ["canary-diary", "note:///", "\"fc_", "fc_", "fr_", "fs_"] {
        if let Some(at) = said.find(canary) {
            panic!(
                "{canary}: {}",
                &said[at.saturating_sub(400)..(at + 100).min(said.len())]
            );
        }
    }
}

fn credentials_of(scene: &Scene) -> Vec<(Credential, String)> {
    // Issued anew they are other texts; those that were sent are read from what arrived.
    let mut list: Vec<(Credential, String)> = Vec::new();
    for seen in scene.fleet.seen() {
        for (name, value) in &seen.headers {
            if name == "authorization"
                && seen.host == SERVER
                && let Some(token) = value.strip_prefix("Bearer ")
                && token.matches('.').count() == 2
                && scanner::fleet::tokens::verify(token, &scene.ledger.key_set()).is_some()
            {
                list.push((Credential::AccessToken, token.to_owned()));
            }
        }
    }
    assert!(list.len() > 10);
    list
}
