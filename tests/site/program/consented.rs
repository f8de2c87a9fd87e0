//! `scan --depth consented` as its user meets it: whose hosts, what is said beforehand, and what
//! is accounted for afterwards.

use std::net::TcpListener;

use scanner::fleet::authorization::Login;
use scanner::fleet::registration::{Documents, Registering};
use scanner::fleet::world::{AuthorizationServer, McpServer, World};
use serde_json::Value;

use super::{Sample, run, write};

const SERVER: &str = "notes.example";
const ISSUER: &str = "id.example";
const URL: &str = "https://notes.example/mcp";

async fn sample(registering: Registering) -> Sample {
    let issuer = AuthorizationServer::compliant(ISSUER)
        .with_endpoints(&[URL])
        .expect("keys are made")
        .with_registration(registering, Documents::good())
        .login(Login::Consent);
    Sample::of(World {
        servers: vec![McpServer::compliant(
            SERVER,
            "Notes",
            &format!("https://{ISSUER}"),
        )],
        authorization_servers: vec![issuer],
        ..World::default()
    })
    .await
}

/// The arguments of a scan with consent, without the owned hosts.
fn arguments(sample: &Sample, more: &[&str]) -> Vec<String> {
    let mut arguments = sample.arguments(&["--depth=consented", "--format=json"]);
    arguments.retain(|argument| !argument.starts_with("--owned="));
    arguments.extend(more.iter().map(|&argument| argument.to_owned()));
    arguments.push(URL.to_owned());
    arguments
}

fn finding<'r>(report: &'r Value, check: &str) -> (&'r str, &'r str) {
    let findings = report["findings"].as_array().expect("findings");
    let found = findings.iter().find(|finding| finding["check"] == check);
    let found = found.unwrap_or_else(|| panic!("{check} is judged"));
    (
        found["verdict"].as_str().expect("a verdict"),
        found["reason"].as_str().expect("a reason"),
    )
}

fn touched(sample: &Sample) -> usize {
    let seen = sample.fleet.seen();
    seen.iter()
        .filter(|seen| seen.host == ISSUER)
        .filter(|seen| !seen.path.starts_with("/.well-known/") && seen.path != "/jwks")
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_is_said_first_and_the_own_host_is_fetched_from() {
    let sample = sample(Registering::good()).await;
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port")
        .port();
    let (certificate, key) = sample
        .fleet
        .certificate("own.example.net")
        .expect("a certificate");
    write(sample.path(), "own.pem", certificate);
    write(sample.path(), "own.key", key);
    let at = format!("127.0.0.1:{port}");
    sample
        .fleet
        .reach("own.example.net", at.parse().expect("an address"));
    let ran = run(
        sample.path(),
        &arguments(
            &sample,
            &[
                "--owned=notes.example",
                "--owned=ID.example",
                "--own-host-url=https://own.example.net",
                &format!("--own-host-listen={at}"),
                "--own-host-cert=own.pem",
                "--own-host-key=own.key",
                "--watch=0",
            ],
        ),
    )
    .ended(0);
    let first = ran.err.lines().next().unwrap_or_default();
    for part in [
        "Depth consented sends: registrations of test clients",
        "client documents of our own host",
        "To id.example, notes.example and to no other host (command line).",
    ] {
        assert!(first.contains(part), "`{part}` is not in: {}", ran.err);
    }
    assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
    let report = ran.json();
    for check in [
        "dcr-open",
        "dcr-protocol",
        "cimd-accepted",
        "cimd-fetch-safety",
    ] {
        assert_eq!(finding(&report, check).0, "pass", "{check}");
    }
    assert!(!report["verified"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_nobody_named_are_left_alone_and_told() {
    let sample = sample(Registering::good()).await;
    run(sample.path(), &arguments(&sample, &[])).said(
        2,
        &[
            "--depth consented",
            SERVER,
            "--owned HOST",
            "scan.owned_hosts",
        ],
    );
    assert_eq!(sample.fleet.seen(), []);
    let ran = run(
        sample.path(),
        &arguments(&sample, &["--owned=notes.example"]),
    )
    .ended(0);
    assert!(ran.err.contains("id.example was left alone"), "{}", ran.err);
    assert_eq!(touched(&sample), 0);
    assert_eq!(finding(&ran.json(), "dcr-open"), ("na", "depth"));
    let config = write(
        sample.path(),
        "authdex.toml",
        "[scan]\nowned_hosts = [\"notes.example\", \"id.example\"]\n",
    );
    let config = format!("--config={}", config.display());
    let ran = run(sample.path(), &arguments(&sample, &[&config])).ended(0);
    assert!(ran.err.contains("(configuration)"), "{}", ran.err);
    assert!(!ran.err.contains("left alone"), "{}", ran.err);
    assert!(touched(&sample) > 10);
    assert_eq!(finding(&ran.json(), "cimd-accepted"), ("na", "no_own_host"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stays_is_told() {
    let sample = sample(Registering {
        deletable: false,
        ..Registering::good()
    })
    .await;
    let owned = ["--owned=notes.example", "--owned=id.example"];
    let ran = run(sample.path(), &arguments(&sample, &owned)).ended(0);
    assert!(
        ran.err
            .contains("could not be deleted; delete it at the authorization server"),
        "{}",
        ran.err
    );
}

#[test]
fn what_is_missing_is_said() {
    let folder = super::folder();
    let config = write(
        folder.path(),
        "public.toml",
        "[instance]\nmode = \"public\"\npublic_url = \"https://index.example\"\ncontact = \"a@index.example\"\n",
    );
    let config = format!("--config={}", config.display());
    let scan = |more: &[&str]| {
        let mut arguments = vec!["scan", "--depth=consented", "--owned=notes.example", URL];
        arguments.extend(more);
        run(folder.path(), &arguments)
    };
    scan(&[&config]).said(2, &["--depth consented", "proof of ownership"]);
    scan(&["--own-host-url=https://own.example.net"]).said(2, &["--own-host-listen"]);
    scan(&[
        "--own-host-url=http://own.example.net",
        "--own-host-listen=127.0.0.1:0",
    ])
    .said(2, &["`http://own.example.net`", "https://HOST"]);
    scan(&[
        "--own-host-url=https://own.example.net",
        "--own-host-listen=127.0.0.1:0",
        "--own-host-cert=none.pem",
        "--own-host-key=none.key",
    ])
    .said(2, &["none.pem"]);
    let private = write(
        folder.path(),
        "deep.toml",
        "[scan]\ndepth = \"consented\"\n",
    );
    let private = format!("--config={}", private.display());
    run(folder.path(), &["config", "check", &private]).said(2, &["scan.owned_hosts"]);
}
