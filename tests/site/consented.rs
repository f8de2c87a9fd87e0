//! Scans of depth consented over real TLS: a good and a bad authorization server, the host of
//! our own that they fetch client documents from, and what is left behind.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use scanner::evidence::{CimdVariant, Consent, Depth, Evidence, Purpose, Registration, Stopped};
use scanner::fleet::Fleet;
use scanner::fleet::authorization::{Fault, Login};
use scanner::fleet::registration::{Documents, Registering};
use scanner::fleet::world::{AuthorizationServer, McpServer, World};
use scanner::grade::grade;
use scanner::net::{NetScanner, Settings};
use scanner::report::{FindingVerdict, Report};
use scanner::rubric;
use scanner::scan::Scan as _;
use scanner::target::Target;
use scanner::time::Millis;
use site::own_host::{self, Listening, OwnHost};
use tokio::sync::watch;

use crate::loopback;

const SERVER: &str = "notes.example";
const ISSUER: &str = "id.example";
const OWN: &str = "own.example.net";

const CHECKS: [&str; 9] = [
    "dcr-open",
    "dcr-protocol",
    "dcr-redirect-policy",
    "dcr-auth-method",
    "cimd-accepted",
    "cimd-client-id-match",
    "cimd-redirect-uri",
    "cimd-url-rules",
    "cimd-fetch-safety",
];

/// A fleet of one server and its authorization server, and a host of our own.
struct Scene {
    fleet: Fleet,
    own: OwnHost,
    _listening: Listening,
    _files: tempfile::TempDir,
}

impl Scene {
    async fn good() -> Self {
        Self::of(Registering::good(), Documents::good(), &[]).await
    }

    async fn bad() -> Self {
        let faults = [Fault::AnyRedirect];
        Self::of(Registering::bad(), Documents::bad(), &faults).await
    }

    async fn of(registering: Registering, documents: Documents, faults: &[Fault]) -> Self {
        let resource = format!("https://{SERVER}/mcp");
        let issuer = AuthorizationServer::compliant(ISSUER)
            .with_endpoints(&[&resource])
            .expect("keys are made")
            .with_registration(registering, documents)
            .login(Login::Consent)
            .faulty(faults);
        let fleet = Fleet::start(World {
            servers: vec![McpServer::compliant(
                SERVER,
                "Notes",
                &format!("https://{ISSUER}"),
            )],
            authorization_servers: vec![issuer],
            ..World::default()
        })
        .await
        .expect("the fleet starts");
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
            own,
            _listening: listening,
            _files: files,
        }
    }

    fn settings(&self, depth: Depth, consented: &[&str]) -> Settings {
        let mut settings = loopback::reaching(&self.fleet);
        settings.limits.depth = depth;
        settings.consent = Some(Consent {
            hosts: consented.iter().map(|host| (*host).to_owned()).collect(),
            basis: "test".into(),
            recorded: Millis(0),
        });
        settings.own_host = Some(self.own.hosting());
        settings
    }

    async fn scan(&self, settings: Settings) -> (Evidence, Report) {
        let scanner = NetScanner::new(settings).await.expect("a scanner");
        let target = Target::of(format!("https://{SERVER}/mcp"));
        let evidence = scanner.scan(&target, "scn_1").await;
        let report = grade(&evidence, rubric::current());
        (evidence, report)
    }

    async fn consented(&self) -> (Evidence, Report) {
        let settings = self.settings(Depth::Consented, &[SERVER, ISSUER]);
        self.scan(settings).await
    }

    /// Clients that the authorization server still knows.
    fn clients(&self) -> usize {
        let mut clients = 0;
        self.fleet.change(|world| {
            let server = world.authorization_server_mut(ISSUER).expect("there");
            clients = server.endpoints.as_ref().expect("there").ledger.clients();
        });
        clients
    }

    /// Requests to endpoints of the authorization server that need consent.
    fn touched(&self) -> Vec<String> {
        let seen = self.fleet.seen();
        seen.iter()
            .filter(|seen| seen.host == ISSUER)
            .filter(|seen| !seen.path.starts_with("/.well-known/") && seen.path != "/jwks")
            .map(|seen| format!("{} {}", seen.method, seen.path))
            .collect()
    }
}

/// Verdicts with their reasons, of the checks of this suite.
fn verdicts(report: &Report) -> BTreeMap<&str, String> {
    report
        .findings
        .iter()
        .filter(|finding| CHECKS.contains(&finding.check.as_str()))
        .map(|finding| {
            let reason = &finding.reason;
            let verdict = match finding.verdict {
                FindingVerdict::Pass => "pass".to_owned(),
                other => format!("{other:?} {reason}").to_lowercase(),
            };
            (finding.check.as_str(), verdict)
        })
        .collect()
}

/// Nothing that a server gave us in confidence is written down.
fn keeps_secrets(evidence: &Evidence) {
    let encoded = evidence.encode().expect("JSON");
    let text = String::from_utf8(encoded).expect("text");
    for canary in ["canary-registration-", "canary-secret-"] {
        assert!(!text.contains(canary), "{canary}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_authorization_server_passes_and_keeps_nothing() {
    let scene = Scene::good().await;
    let (evidence, report) = scene.consented().await;
    assert_eq!(evidence.stopped, Stopped::Finished);
    let expected: BTreeMap<&str, String> =
        CHECKS.iter().map(|id| (*id, "pass".to_owned())).collect();
    assert_eq!(verdicts(&report), expected);
    keeps_secrets(&evidence);
    assert_eq!(scene.clients(), 0);
    let touched = scene.touched();
    let deleted = touched.iter().filter(|line| line.starts_with("DELETE"));
    assert_eq!(deleted.count(), 2);
    let named = scene
        .fleet
        .seen()
        .into_iter()
        .filter(|seen| seen.path == "/register" && seen.body.contains("Authdex test client "));
    assert_eq!(named.count(), 8);
    // What is fetched is fetched from the host of our own, and told.
    let visited: Vec<&str> = evidence
        .visits
        .iter()
        .map(|visit| visit.what.as_str())
        .collect();
    assert!(visited.contains(&"cimd_good") && visited.contains(&"cimd_stalling"));
    assert!(!visited.contains(&"cimd_plain_http"), "{visited:?}");
    assert!(evidence.visits.iter().all(|visit| {
        visit.peer.is_some_and(|peer| peer.is_loopback())
            && visit.user_agent.as_deref() == Some("sample-authorization-server/1.0")
    }));
    let stalled = evidence
        .visits
        .iter()
        .find(|visit| visit.what == "cimd_stalling")
        .expect("it came");
    assert_eq!(stalled.bytes, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_authorization_server_is_found_out_and_cleaned_up() {
    let scene = Scene::bad().await;
    let (evidence, report) = scene.consented().await;
    let verdicts = verdicts(&report);
    let expected = [
        ("dcr-open", "pass"),
        ("dcr-protocol", "fail secret_cacheable"),
        ("dcr-redirect-policy", "fail plain_http"),
        ("dcr-auth-method", "fail secret_for_none"),
        ("cimd-accepted", "pass"),
        ("cimd-client-id-match", "fail other_id"),
        ("cimd-redirect-uri", "fail consent"),
        ("cimd-url-rules", "fail plain_http"),
        ("cimd-fetch-safety", "fail loopback_attempted"),
    ];
    for (id, verdict) in expected {
        assert_eq!(verdicts[id], verdict, "{id}: {verdicts:?}");
    }
    let fetched = |variant: CimdVariant| {
        let what = Purpose::Cimd(variant).name();
        evidence.visits.iter().any(|visit| visit.what == what)
    };
    for variant in [
        CimdVariant::PlainHttp,
        CimdVariant::NoPath,
        CimdVariant::Fragment,
        CimdVariant::Userinfo,
        CimdVariant::DotSegments,
    ] {
        assert!(fetched(variant), "{variant:?}");
    }
    let followed = |visit: &&scanner::evidence::Visit| visit.what == "cimd_redirecting redirected";
    assert_eq!(evidence.visits.iter().filter(followed).count(), 1);
    keeps_secrets(&evidence);
    assert_eq!(scene.clients(), 0, "{:?}", scene.touched());
}

/// Budgets hold for each host, for what needs consent and for what does not.
#[tokio::test(flavor = "multi_thread")]
async fn no_host_is_asked_more_than_its_budget() {
    let scene = Scene::bad().await;
    let mut settings = scene.settings(Depth::Consented, &[SERVER, ISSUER]);
    settings.limits.consented_requests = 9;
    let limits = settings.limits;
    let (evidence, _) = scene.scan(settings).await;
    for (host, home) in [(SERVER, true), (ISSUER, false)] {
        let plain = if home {
            limits.endpoint_requests
        } else {
            limits.as_requests
        };
        let seen = scene.fleet.seen();
        let seen = seen.iter().filter(|seen| seen.host == host).count();
        let most = usize::try_from(plain + limits.consented_requests).expect("few");
        assert!(seen <= most, "{host}: {seen} of {most}");
    }
    assert!(scene.touched().len() <= 9, "{:?}", scene.touched());
    assert_eq!(evidence.stopped, Stopped::OutOfAsks);
    assert_eq!(scene.clients(), 0, "{:?}", scene.touched());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_deeper_is_sent_below_that_depth_or_without_consent() {
    let scene = Scene::good().await;
    let both = &[SERVER, ISSUER][..];
    for (depth, consented) in [
        (Depth::Passive, both),
        (Depth::Standard, both),
        (Depth::Consented, &[SERVER][..]),
        (Depth::Consented, &[]),
    ] {
        let (evidence, report) = scene.scan(scene.settings(depth, consented)).await;
        assert_eq!(scene.touched(), [""; 0], "{depth:?} {consented:?}");
        let verdicts = verdicts(&report);
        assert!(
            verdicts.values().all(|verdict| verdict == "na depth"),
            "{verdicts:?}"
        );
        let deeper = evidence
            .exchanges
            .iter()
            .filter(|exchange| exchange.purpose.is_deeper());
        let hosts = deeper.filter(|exchange| !exchange.asked.url.contains(SERVER));
        assert_eq!(hosts.count(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_deleted_when_a_scan_is_stopped_midway() {
    let scene = Scene::good().await;
    let (stop, stopped) = watch::channel(false);
    let mut settings = scene.settings(Depth::Consented, &[SERVER, ISSUER]);
    settings.stop = Some(stopped);
    let stop = Mutex::new(stop);
    settings.observer = Some(Arc::new(move |exchange| {
        if exchange.purpose == Purpose::Register(Registration::Native) {
            let stop = stop.lock().expect("nobody panicked");
            stop.send_replace(true);
        }
    }));
    let (evidence, _) = scene.scan(settings).await;
    assert_eq!(evidence.stopped, Stopped::Stopped);
    assert_eq!(scene.clients(), 0);
    let touched = scene.touched();
    assert_eq!(
        touched
            .iter()
            .filter(|line| line.starts_with("DELETE"))
            .count(),
        1,
        "{touched:?}"
    );
    keeps_secrets(&evidence);
}
