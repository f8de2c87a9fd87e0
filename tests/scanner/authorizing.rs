//! Consented scans of sample authorization servers over real TLS: what is sent to their
//! authorization, token and introspection endpoints, what is recorded of it, and what the
//! checks say.

use std::sync::Arc;

use scanner::check::{Unmet, Verdict};
use scanner::checks;
use scanner::evidence::{AuthorizeVariant, Consent, Credential, Depth, Evidence, Purpose, Visit};
use scanner::facts::Facts;
use scanner::fleet::authorization::{Fault, Login};
use scanner::fleet::registration::{Documents, Registering};
use scanner::fleet::world::{AuthorizationServer, Edit, McpServer, World};
use scanner::fleet::{Fleet, Seen};
use scanner::net::{Credentials, NetScanner, OwnHost, OwnHosting, Settings, SuppliedValue};
use scanner::scan::Scan;
use scanner::spec::Revision;
use scanner::target::Target;
use scanner::time::Millis;

use crate::loopback;

const MCP: &str = "notes.sample.example";
const AS: &str = "id.sample.example";
const ENDPOINT: &str = "https://notes.sample.example/mcp";
const ISSUER: &str = "https://id.sample.example";

/// A host of our own that nobody visits.
struct Unvisited;

impl OwnHost for Unvisited {
    fn expect(&self, _: &str) {}

    fn visits(&self, _: &str, _: tokio::time::Instant) -> Vec<Visit> {
        Vec::new()
    }
}

fn server(login: Login, faults: &[Fault]) -> AuthorizationServer {
    AuthorizationServer::compliant(AS)
        .with_endpoints(&[ENDPOINT])
        .unwrap()
        .with_registration(Registering::good(), Documents::good())
        .with(|document| document["client_id_metadata_document_supported"] = false.into())
        .login(login)
        .faulty(faults)
}

async fn fleet(server: AuthorizationServer) -> Fleet {
    let mut world = World::default();
    world
        .servers
        .push(McpServer::compliant(MCP, "Notes", ISSUER));
    world.authorization_servers.push(server);
    Fleet::start(world).await.unwrap()
}

fn settings(fleet: &Fleet, depth: Depth, hosts: &[&str]) -> Settings {
    let mut settings = loopback::reaching(fleet);
    settings.limits.depth = depth;
    settings.consent = (!hosts.is_empty()).then(|| Consent {
        hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        basis: "test".into(),
        recorded: Millis(0),
    });
    settings.own_host = Some(OwnHosting {
        base: "https://own.sample.example/canary".into(),
        host: Arc::new(Unvisited),
    });
    settings
}

async fn scan(settings: Settings) -> Evidence {
    let scanner = NetScanner::new(settings).await.unwrap();
    scanner.scan(&Target::of(ENDPOINT), "scn_authz").await
}

async fn consented(fleet: &Fleet) -> Evidence {
    scan(settings(fleet, Depth::Consented, &[MCP, AS])).await
}

/// What a check says in the column of the newest revision, in one word.
fn said(evidence: &Evidence, id: &str) -> String {
    let facts = Facts::new(evidence);
    let check = checks::by_id(id).unwrap();
    match checks::judge(check, &facts, Revision::HEADLINE) {
        Ok(Verdict::Pass) => "pass".into(),
        Ok(Verdict::Warn(fault)) => format!("warn {}", fault.reason),
        Ok(Verdict::Fail(fault)) => format!("fail {}", fault.reason),
        Err(Unmet::NotApplicable(why)) => format!("na {}", why.code()),
        Err(Unmet::Inconclusive(why)) => format!("inconclusive {}", why.code()),
        Err(Unmet::Blocked(by)) => format!("blocked {by}"),
    }
}

fn assert_says(evidence: &Evidence, expected: &[(&str, &str)]) {
    let wrong: Vec<String> = expected
        .iter()
        .filter(|(id, wanted)| said(evidence, id) != *wanted)
        .map(|(id, wanted)| format!("{id}: {}, not {wanted}", said(evidence, id)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Requests to the authorization server besides its metadata and keys.
fn touched(fleet: &Fleet) -> Vec<Seen> {
    fleet
        .seen()
        .into_iter()
        .filter(|seen| seen.host == AS)
        .filter(|seen| !seen.path.starts_with("/.well-known/") && seen.path != "/jwks")
        .collect()
}

#[tokio::test]
async fn a_good_server_passes() {
    let server = server(Login::SignIn, &[]);
    let ledger = server.endpoints.as_ref().unwrap().ledger.clone();
    let fleet = fleet(server).await;
    let evidence = consented(&fleet).await;
    assert_says(
        &evidence,
        &[
            ("pkce-required", "pass"),
            ("pkce-plain-refused", "pass"),
            ("ri-authorize-accepts", "pass"),
            ("ri-foreign-refused", "pass"),
            ("authz-unknown-client-no-redirect", "pass"),
            ("authz-unregistered-redirect-refused", "pass"),
            ("authz-redirect-exact-match", "pass"),
            ("authz-loopback-any-port", "pass"),
            ("authz-no-cors", "pass"),
            ("authz-frame-protection", "pass"),
            ("authz-iss-emitted", "pass"),
            ("authz-error-response", "pass"),
            ("authz-implicit-refused", "pass"),
            ("authz-proxy-consent", "na no_proxy"),
            ("token-endpoint-errors", "pass"),
            ("introspection-authenticated", "pass"),
            ("legacy-default-endpoints", "na not_in_revision"),
        ],
    );
    // The page behind the redirect was read, under the value that the record does not keep.
    let facts = Facts::new(&evidence);
    let valid = facts
        .landed(Purpose::Authorize(AuthorizeVariant::Valid))
        .unwrap();
    assert!(valid.page().unwrap().sign_in);
    assert!(valid.last.exchange.asked.url.contains("session=[redacted:"));
    // The sign-in page is asked for once, not for every variant that leads there.
    let pages = touched(&fleet)
        .iter()
        .filter(|seen| seen.path.starts_with("/login"))
        .count();
    assert_eq!(pages, 1);
    // Within the budget, and every client is gone again.
    assert!(touched(&fleet).len() <= 80);
    assert_eq!(ledger.clients(), 0);
}

/// Many servers keep the request in a cookie while they redirect to their sign-in page.
#[tokio::test]
async fn a_sign_in_page_that_wants_its_cookie_is_reached() {
    const COOKIE: &str = "transaction=c0ffee5ecret42";
    let fleet = fleet(server(Login::SignIn, &[])).await;
    fleet.change(|world| {
        world.edits.push(Edit::new(|asked, reply| {
            if asked.host != AS {
                return;
            }
            if asked.path == "/authorize" && (300..400).contains(&reply.status) {
                reply
                    .headers
                    .push(("set-cookie", format!("{COOKIE}; Path=/; HttpOnly")));
            }
            if asked.path == "/login" && asked.header("cookie") != Some(COOKIE) {
                reply.status = 400;
                reply.headers = vec![("content-type", "text/html".into())];
                reply.body = "<title>oops! something went wrong</title>".into();
            }
        }));
    });
    let evidence = consented(&fleet).await;
    assert_says(
        &evidence,
        &[
            ("pkce-required", "pass"),
            ("ri-authorize-accepts", "pass"),
            ("authz-loopback-any-port", "pass"),
            ("authz-frame-protection", "pass"),
        ],
    );
    // It goes along its own redirect, to that host, and into no record.
    let carried: Vec<Seen> = fleet
        .seen()
        .into_iter()
        .filter(|seen| seen.headers.iter().any(|(name, _)| name == "cookie"))
        .collect();
    assert!(!carried.is_empty());
    assert!(
        carried
            .iter()
            .all(|seen| seen.host == AS && seen.path.starts_with("/login"))
    );
    let record = String::from_utf8(evidence.encode().unwrap()).unwrap();
    assert!(!record.contains("c0ffee5ecret42"));
}

#[tokio::test]
async fn a_bad_server_that_issues_codes_fails() {
    let fleet = fleet(server(
        Login::Codes,
        &[
            Fault::NoChallenge,
            Fault::PlainChallenge,
            Fault::AnyResource,
            Fault::OpenRedirector,
            Fault::PrefixRedirect,
            Fault::CorsCredentials,
            Fault::NoIssInErrors,
            Fault::StateLost,
            Fault::Implicit,
            Fault::TokenByGet,
            Fault::PasswordGrant,
            Fault::TalkingIntrospection,
        ],
    ))
    .await;
    let evidence = consented(&fleet).await;
    assert_says(
        &evidence,
        &[
            ("pkce-required", "fail code_issued"),
            ("pkce-plain-refused", "fail code_issued"),
            ("ri-authorize-accepts", "pass"),
            ("ri-foreign-refused", "warn ignored"),
            ("authz-unknown-client-no-redirect", "fail redirected"),
            ("authz-unregistered-redirect-refused", "fail redirected"),
            ("authz-redirect-exact-match", "fail variant_accepted"),
            ("authz-loopback-any-port", "pass"),
            ("authz-no-cors", "fail credentials"),
            ("authz-frame-protection", "na no_page"),
            ("authz-iss-emitted", "warn absent_in_errors"),
            ("authz-error-response", "fail state_missing"),
            ("authz-implicit-refused", "fail token_issued"),
            ("token-endpoint-errors", "fail password_grant"),
            ("introspection-authenticated", "fail tells_more"),
        ],
    );
    // No code and no token is recorded, wherever it stood.
    let record = String::from_utf8(evidence.encode().unwrap()).unwrap();
    // Identifiers are random; what stands before and behind tells a code and a token from them.
    assert!(!record.contains("code=fc_"));
    assert!(!record.contains(".eyJ"));
    assert!(record.contains("code=[redacted:credential:len="));
}

#[tokio::test]
async fn a_server_that_misleads_at_its_pages_fails() {
    let fleet = fleet(server(
        Login::SignIn,
        &[
            Fault::ResourceRefused,
            Fault::PortCompared,
            Fault::Framable,
            Fault::QueryRedirect,
            Fault::CorsAny,
            Fault::Status307,
            Fault::WrongIss,
            Fault::HtmlErrors,
            Fault::OpenIntrospection,
        ],
    ))
    .await;
    let evidence = consented(&fleet).await;
    assert_says(
        &evidence,
        &[
            ("ri-authorize-accepts", "fail refused_with_resource"),
            ("ri-foreign-refused", "blocked ri-authorize-accepts"),
            ("pkce-required", "pass"),
            ("authz-loopback-any-port", "fail port_compared"),
            ("authz-frame-protection", "fail no_protection"),
            ("authz-redirect-exact-match", "warn query_accepted"),
            ("authz-no-cors", "warn readable"),
            ("authz-error-response", "fail preserving_redirect"),
            ("authz-iss-emitted", "fail other_issuer"),
            ("token-endpoint-errors", "fail not_json"),
            ("introspection-authenticated", "warn open"),
        ],
    );
}

#[tokio::test]
async fn a_proxy_is_told_by_its_constant_client() {
    let upstream = Login::Upstream("https://login.upstream.example/oauth/authorize".into());
    let fleet = fleet(server(upstream, &[])).await;
    let evidence = consented(&fleet).await;
    assert_says(
        &evidence,
        &[
            ("authz-proxy-consent", "fail constant_client"),
            ("authz-frame-protection", "na page_of_another_party"),
            ("pkce-required", "pass"),
        ],
    );
    // What belongs to somebody else is not asked.
    assert!(evidence.exchanges.iter().all(|exchange| {
        !exchange
            .asked
            .url
            .starts_with("https://login.upstream.example")
    }));
}

#[tokio::test]
async fn a_redirect_to_the_client_is_never_followed_even_within_the_origin() {
    let mut server = server(Login::Codes, &[]);
    server.registering = None;
    server = server.with(|document| {
        if let Some(members) = document.as_object_mut() {
            members.remove("registration_endpoint");
        }
    });
    let endpoints = server.endpoints.as_ref().unwrap();
    endpoints.ledger.add_client(scanner::fleet::tokens::Client {
        id: "owners-client".into(),
        redirects: vec![format!("{ISSUER}/app/callback")],
        ..Default::default()
    });
    let fleet = fleet(server).await;
    let mut settings = settings(&fleet, Depth::Consented, &[MCP, AS]);
    let mut credentials = Credentials::default();
    credentials.insert(
        Credential::Client,
        SuppliedValue {
            client_id: Some("owners-client".into()),
            redirect_uri: Some(format!("{ISSUER}/app/callback")),
            ..SuppliedValue::default()
        },
    );
    settings.credentials = credentials;
    let evidence = scan(settings).await;
    assert_says(
        &evidence,
        &[
            ("pkce-required", "pass"),
            ("authz-iss-emitted", "pass"),
            ("authz-redirect-exact-match", "pass"),
        ],
    );
    let facts = Facts::new(&evidence);
    let valid = facts
        .landed(Purpose::Authorize(AuthorizeVariant::Valid))
        .unwrap();
    assert!(valid.issued());
    assert!(
        touched(&fleet)
            .iter()
            .all(|seen| !seen.path.starts_with("/app"))
    );
}

#[tokio::test]
async fn nothing_is_sent_without_depth_and_consent() {
    for (depth, hosts) in [
        (Depth::Passive, &[MCP, AS][..]),
        (Depth::Standard, &[MCP, AS]),
        (Depth::Consented, &[]),
        (Depth::Consented, &[MCP]),
        (Depth::Credentialed, &[MCP]),
    ] {
        let fleet = fleet(server(Login::Codes, &[])).await;
        let evidence = scan(settings(&fleet, depth, hosts)).await;
        assert_eq!(touched(&fleet), [], "{depth:?} {hosts:?}");
        assert!(said(&evidence, "pkce-required").starts_with("na depth"));
        assert!(
            fleet
                .seen()
                .iter()
                .all(|seen| !matches!(seen.path.as_str(), "/authorize" | "/token" | "/register"))
        );
    }
}
