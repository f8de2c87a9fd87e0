//! `login` from the challenge to the token, over real TLS, with a browser that follows
//! redirects and nothing else.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use scanner::check::Verdict;
use scanner::checks;
use scanner::evidence::{CodeUse, Consent, Depth, Purpose};
use scanner::facts::Facts;
use scanner::fleet::Fleet;
use scanner::fleet::authorization::Fault;
use scanner::fleet::tokens;
use scanner::fleet::world::World;
use scanner::net::{NetScanner, Settings};
use scanner::scan::Scan as _;
use scanner::spec::Revision;
use scanner::target::Target;
use scanner::time::Millis;
use site::browser::{LoopbackBrowser, Open};
use site::login::{Client, Ending, Login, Options, login};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use url::Url;

use crate::loopback;
use crate::owner::{ISSUER, SERVER, URL, pair};
use crate::program::authdex;

/// What a browser needs to know of the fleet.
#[derive(Clone)]
struct Web {
    address: SocketAddr,
    tls: TlsConnector,
}

impl Web {
    fn of(fleet: &Fleet) -> Self {
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_slice(fleet.authority().as_bytes());
        roots
            .add(authority.expect("a certificate"))
            .expect("an authority");
        let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            address: fleet.address(),
            tls: TlsConnector::from(Arc::new(config)),
        }
    }

    /// Follows redirects to the end.
    async fn visit(&self, mut url: Url) {
        for _ in 0..5 {
            let query = url
                .query()
                .map_or(String::new(), |query| format!("?{query}"));
            let host = url.host_str().expect("a host").to_owned();
            let request = format!(
                "GET {}{query} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n",
                url.path()
            );
            let mut text = String::new();
            if url.scheme() == "https" {
                let stream = TcpStream::connect(self.address).await.expect("connected");
                let name = ServerName::try_from(host).expect("a name");
                let mut stream = self.tls.connect(name, stream).await.expect("TLS");
                stream.write_all(request.as_bytes()).await.expect("sent");
                let _ = stream.read_to_string(&mut text).await;
            } else {
                let at = format!("{host}:{}", url.port().expect("a port"));
                let mut stream = TcpStream::connect(at).await.expect("connected");
                stream.write_all(request.as_bytes()).await.expect("sent");
                let _ = stream.read_to_string(&mut text).await;
            }
            let location = text
                .lines()
                .find_map(|line| line.strip_prefix("location: "));
            match location {
                Some(location) => url = url.join(location.trim()).expect("a URL"),
                None => return,
            }
        }
    }

    fn browser(&self) -> Open {
        let web = self.clone();
        Arc::new(move |url| {
            let (web, url) = (web.clone(), url.clone());
            tokio::spawn(async move { web.visit(url).await });
        })
    }
}

fn settings(fleet: &Fleet) -> Settings {
    let mut settings = loopback::reaching(fleet);
    settings.limits.depth = Depth::Passive;
    settings
}

async fn fleet_of(faults: &[Fault], change: impl FnOnce(&mut World)) -> Fleet {
    let (mut world, _) = pair(&[], faults);
    change(&mut world);
    Fleet::start(world).await.expect("the fleet starts")
}

async fn logged_in(fleet: &Fleet, client: Client) -> Login {
    logged_in_within(fleet, client, Duration::from_secs(20)).await
}

async fn logged_in_within(fleet: &Fleet, client: Client, patience: Duration) -> Login {
    let scanner = NetScanner::new(settings(fleet)).await.expect("a scanner");
    let evidence = scanner.scan(&Target::of(URL), "").await;
    let options = Options {
        client,
        scope: None,
        port: 0,
        patience,
        entropy: site::scanning::entropy,
        open: Web::of(fleet).browser(),
    };
    login(&scanner, &evidence, &options, &|_| ()).await
}

/// The step where it stopped, and why.
fn stopped(done: &Login) -> (&'static str, &str) {
    assert!(done.token.is_none());
    assert!(done.result.is_none());
    let last = done.steps.last().expect("a step");
    assert_eq!(last.ending, Ending::Stopped);
    (last.step, last.said.as_str())
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_challenge_to_a_token_that_works() {
    let fleet = fleet_of(&[], |_| ()).await;
    let done = logged_in(&fleet, Client::Register).await;
    let steps: Vec<&str> = done.steps.iter().map(|step| step.step).collect();
    assert_eq!(
        steps,
        [
            "challenge",
            "resource metadata",
            "resource",
            "authorization server",
            "issuer",
            "pkce",
            "client",
            "authorization",
            "state",
            "iss",
            "token",
        ]
    );
    assert!(
        done.steps.iter().all(|step| step.ending == Ending::Ok),
        "{:#?}",
        done.steps
    );
    let result = done.result.as_ref().expect("a result");
    assert_eq!(result.audience, [URL]);
    assert_eq!(result.expires_in, Some(300));
    assert_eq!(result.scope.as_deref(), Some("mcp:use"));
    let token = done.token.as_ref().expect("a token");
    assert!(tokens::claims_of(token).is_some());
    let told = serde_json::to_string(&done).expect("encoded");
    assert!(!told.contains(token.as_str()));
    // What was sent: PKCE, resource, state; and each where it belongs.
    let seen = fleet.seen();
    let authorize = seen
        .iter()
        .find(|seen| seen.path.starts_with("/authorize"))
        .expect("asked");
    for part in [
        "code_challenge_method=S256",
        "resource=https%3A%2F%2Fnotes.example%2Fmcp",
        "state=",
        "response_type=code",
    ] {
        assert!(authorize.path.contains(part), "{}", authorize.path);
    }
    let redeemed = seen
        .iter()
        .find(|seen| seen.path == "/token")
        .expect("asked");
    assert!(redeemed.body.contains("resource=") && redeemed.body.contains("code_verifier="));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strict_client_stops_where_it_must() {
    let without = |member: &'static str| {
        move |world: &mut World| {
            let server = world.authorization_server_mut(ISSUER).expect("a server");
            let document = server
                .oauth
                .as_mut()
                .and_then(|value| value.as_object_mut());
            document.expect("a document").remove(member);
        }
    };
    let prm = |member: &'static str, value: &'static str| {
        move |world: &mut World| {
            let server = world.server_mut(SERVER).expect("a server");
            if let Some(prm) = &mut server.prm {
                prm.document[member] = value.into();
            }
        }
    };
    let fleet = fleet_of(&[], prm("resource", "https://other.example/mcp")).await;
    assert_eq!(
        stopped(&logged_in(&fleet, Client::Register).await).0,
        "resource"
    );
    let fleet = fleet_of(&[], without("code_challenge_methods_supported")).await;
    assert_eq!(
        stopped(&logged_in(&fleet, Client::Register).await).0,
        "pkce"
    );
    let fleet = fleet_of(&[], |world| {
        let server = world.authorization_server_mut(ISSUER).expect("a server");
        if let Some(document) = &mut server.oauth {
            document["issuer"] = "https://mixed-up.example".into();
        }
    })
    .await;
    assert_eq!(
        stopped(&logged_in(&fleet, Client::Register).await).0,
        "issuer"
    );
    let fleet = fleet_of(&[], without("registration_endpoint")).await;
    let done = logged_in(&fleet, Client::Register).await;
    assert_eq!(stopped(&done).0, "client");
    assert!(stopped(&done).1.contains("--client-id"));
    let fleet = fleet_of(&[Fault::WrongIss], |_| ()).await;
    let done = logged_in(&fleet, Client::Register).await;
    assert_eq!(stopped(&done).0, "iss");
    assert!(stopped(&done).1.contains("https://other.example"));
    assert!(fleet.seen().iter().all(|seen| seen.path != "/token"));
    let fleet = fleet_of(&[Fault::NoIss], |_| ()).await;
    assert_eq!(stopped(&logged_in(&fleet, Client::Register).await).0, "iss");
    let fleet = fleet_of(&[Fault::ResourceRefused], |_| ()).await;
    let done = logged_in(&fleet, Client::Register).await;
    assert!(
        stopped(&done).1.contains("invalid_target"),
        "{:?}",
        stopped(&done)
    );
    // Nobody signs in: what is asked of other clients is not asked of this one.
    let fleet = fleet_of(&[], |_| ()).await;
    let nobody = Client::Known("nobody".into(), None);
    let done = logged_in_within(&fleet, nobody, Duration::from_millis(500)).await;
    assert_eq!(stopped(&done).0, "authorization");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_writes_the_token_where_nobody_else_reads_it() {
    let fleet = fleet_of(&[], |_| ()).await;
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("ca.pem"), fleet.authority()).expect("written");
    let mut command = authdex(folder.path());
    command.args(["login", URL, "--no-browser", "--format=json"]);
    command.args(["--output=token", "--ca-bundle=ca.pem"]);
    for rule in fleet.connect_to() {
        command.arg(format!("--connect-to={rule}"));
    }
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let mut said = Vec::new();
    for line in lines.by_ref() {
        let line = line.expect("a line");
        said.push(line.clone());
        if line.starts_with("https://id.example/authorize?") {
            let url = Url::parse(&line).expect("a URL");
            Web::of(&fleet).visit(url).await;
            break;
        }
    }
    said.extend(lines.map(|line| line.expect("a line")));
    let mut out = String::new();
    let mut pipe = child.stdout.take().expect("a pipe");
    pipe.read_to_string(&mut out).expect("read");
    assert!(child.wait().expect("it ends").success(), "{said:#?}");
    let path = folder.path().join("token");
    let token = std::fs::read_to_string(&path).expect("the token");
    assert!(tokens::claims_of(token.trim()).is_some());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&path)
            .expect("a file")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let report: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(report["result"]["audience"][0], URL);
    assert!(
        said.iter().any(|line| line.starts_with("ok   iss: ")),
        "{said:#?}"
    );
    let everything = format!("{out}{}", said.join("\n"));
    assert!(!everything.contains(token.trim()));
    // A second time the file is in the way, and nothing is asked.
    let before = fleet.seen().len();
    let again = authdex(folder.path())
        .args(["login", URL, "--output=token"])
        .output()
        .expect("it ran");
    assert_eq!(again.status.code(), Some(2));
    assert_eq!(fleet.seen().len(), before);
}

#[test]
fn secrets_are_no_arguments() {
    let folder = tempfile::tempdir().expect("a folder");
    let ran = authdex(folder.path())
        .args([
            "login",
            URL,
            "--print",
            "--client-id=c",
            "--client-secret=canary-secret",
        ])
        .output()
        .expect("it ran");
    assert_eq!(ran.status.code(), Some(2));
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(
        said.contains("@env:NAME") && !said.contains("canary"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_lets_its_owner_sign_in() {
    let fleet = fleet_of(&[], |_| ()).await;
    let mut settings = settings(&fleet);
    settings.limits.depth = Depth::Credentialed;
    settings.limits.consented_requests = 300;
    settings.consent = Some(Consent {
        hosts: vec![SERVER.into(), ISSUER.into()],
        basis: "test".into(),
        recorded: Millis(0),
    });
    let browser =
        LoopbackBrowser::new(Web::of(&fleet).browser(), Duration::from_secs(20), |line| {
            panic!("{line}")
        });
    settings.browser = Some(Arc::new(browser));
    let scanner = NetScanner::new(settings).await.expect("a scanner");
    let evidence = scanner.scan(&Target::of(URL), "").await;
    let logins: Vec<_> = evidence
        .exchanges
        .iter()
        .filter(|exchange| matches!(exchange.purpose, Purpose::Login(_)))
        .collect();
    assert!(logins.len() >= 5, "{}", logins.len());
    for login in logins {
        let response = login.got.as_ref().expect("a redirect");
        assert_eq!((response.status, response.http.as_str()), (302, "browser"));
        let location = response.header("location").expect("a place");
        assert!(location.contains("code=[redacted"), "{location}");
    }
    let facts = Facts::new(&evidence);
    assert!(facts.has_token(CodeUse::Token));
    for check in [
        "code-single-use",
        "pkce-verifier-enforced",
        "refresh-rotation",
    ] {
        let check = checks::by_id(check).expect("a check");
        let said = checks::judge(check, &facts, Revision::HEADLINE);
        assert_eq!(said, Ok(Verdict::Pass), "{}", check.id);
    }
    // Without a token of the owner, the one that the sign-in brought is the valid one.
    let query = checks::by_id("token-query-refused").expect("a check");
    let said = checks::judge(query, &facts, Revision::HEADLINE);
    assert_eq!(said, Ok(Verdict::Pass));
}
