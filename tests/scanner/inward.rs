//! Metadata that points into somebody's own network: whatever part of it does, and however the
//! place is written, the guard refuses it by name and nothing is contacted. The canaries listen
//! where the places lead.

use scanner::evidence::{Evidence, Failure};
use scanner::net::Guard;
use tokio::net::TcpListener;

use crate::names::{name_server, with_server};
use crate::probing::scan;
use crate::stage::{self, Heard, Stage, Step, authority};

const HOST: &str = "mcp.scanned.example";

/// Where in what a server says the place is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Pointer,
    Issuer,
    Keys,
    Location,
    Endpoint,
}

const PARTS: [Part; 5] = [
    Part::Pointer,
    Part::Issuer,
    Part::Keys,
    Part::Location,
    Part::Endpoint,
];

fn guarded(heard: &Heard, base: &str, part: Part, url: &str) -> Vec<Step> {
    let at = |wanted: Part, usual: String| {
        if wanted == part {
            url.to_owned()
        } else {
            usual
        }
    };
    match heard.path.as_str() {
        "/.well-known/oauth-protected-resource/mcp" if part == Part::Location => {
            stage::answer("302 Found", &[("location", url)], "")
        }
        "/.well-known/oauth-protected-resource/mcp" => {
            let issuer = at(Part::Issuer, base.to_owned());
            stage::json(&format!(
                r#"{{"resource":"{base}/mcp","authorization_servers":["{issuer}"]}}"#
            ))
        }
        "/.well-known/oauth-authorization-server" => {
            let keys = at(Part::Keys, format!("{base}/jwks"));
            let endpoint = at(Part::Endpoint, format!("{base}/token"));
            stage::json(&format!(
                r#"{{"issuer":"{base}","authorization_endpoint":"{endpoint}","token_endpoint":"{endpoint}","registration_endpoint":"{endpoint}","jwks_uri":"{keys}"}}"#
            ))
        }
        "/mcp" => {
            let pointer = at(
                Part::Pointer,
                format!("{base}/.well-known/oauth-protected-resource/mcp"),
            );
            let value = format!("Bearer resource_metadata=\"{pointer}\"");
            stage::answer("401 Unauthorized", &[("www-authenticate", &value)], "")
        }
        _ => stage::nothing(),
    }
}

/// Listeners on every loopback address that the places lead to, all on one port.
struct Canaries {
    port: u16,
    listeners: Vec<TcpListener>,
}

impl Canaries {
    async fn listen() -> Self {
        let first = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = first.local_addr().unwrap().port();
        let mut listeners = vec![first];
        for address in ["127.0.0.2", "::1"] {
            // A machine without IPv6 has one canary fewer.
            listeners.extend(TcpListener::bind((address, port)).await.ok());
        }
        Self { port, listeners }
    }

    /// Whether somebody came. Connections wait in the queue until they are taken.
    async fn sang(&self) -> bool {
        for listener in &self.listeners {
            let poll = std::future::poll_fn(|context| {
                std::task::Poll::Ready(listener.poll_accept(context).is_ready())
            });
            if poll.await {
                return true;
            }
        }
        false
    }
}

fn refused(evidence: &Evidence) -> Vec<&str> {
    let failures = evidence
        .exchanges
        .iter()
        .filter_map(|exchange| exchange.got.as_ref().err());
    failures
        .filter_map(|failure| match failure {
            Failure::Blocked(rule) => Some(rule.as_str()),
            _ => None,
        })
        .collect()
}

async fn scan_with(part: Part, url: &str, port: u16) -> (Evidence, Vec<Heard>) {
    let authority = authority();
    let server = name_server(
        &[
            ("rebind.example.org", &["93.184.215.14", "127.0.0.1"]),
            ("plain.example.org", &["127.0.0.2"]),
            ("six.example.org", &["::1"]),
            ("mapped.example.org", &["::ffff:127.0.0.1"]),
            ("shared.example.org", &["100.64.0.1"]),
        ],
        &[],
    )
    .await;
    let url = url.to_owned();
    let base = format!("https://{HOST}:{port}");
    let stage = Stage::tls(&authority.identity(&[HOST], 2020..2050), move |heard| {
        guarded(heard, &base, part, &url)
    })
    .await;
    let mut settings = with_server(server);
    settings.guard = Guard::public();
    settings.extra_roots = authority.pem.clone().into_bytes();
    // The endpoint's own port is the canaries', so that no port rule saves the day.
    let rule = format!("{HOST}:{port}:127.0.0.1:{}", stage.address.port());
    settings.connect_to = vec![rule.parse().unwrap()];
    let evidence = scan(settings, &format!("https://{HOST}:{port}/mcp")).await;
    let heard = stage.heard();
    (evidence, heard)
}

#[tokio::test]
async fn places_inside_are_refused_by_name_in_every_part() {
    let canaries = Canaries::listen().await;
    let port = canaries.port;
    let places = [
        ("127.0.0.1", "special_use"),
        ("127.0.0.2", "special_use"),
        ("127.1", "special_use"),
        ("0x7f000001", "special_use"),
        ("017700000001", "special_use"),
        ("0.0.0.0", "special_use"),
        ("100.64.0.1", "special_use"),
        ("10.0.0.1", "special_use"),
        ("192.168.1.1", "special_use"),
        ("198.18.0.1", "special_use"),
        ("224.0.0.1", "special_use"),
        ("255.255.255.255", "special_use"),
        ("[::]", "special_use"),
        ("[::1]", "special_use"),
        ("[::ffff:10.0.0.1]", "special_use"),
        ("[::ffff:127.0.0.1]", "special_use"),
        ("[64:ff9b::7f00:1]", "special_use"),
        ("[64:ff9b::a00:1]", "special_use"),
        ("[2002:7f00:1::1]", "special_use"),
        ("[fe80::1]", "metadata_service"),
        ("[fd00::1]", "special_use"),
        ("169.254.169.254", "metadata_service"),
        ("[::ffff:169.254.169.254]", "metadata_service"),
        ("[fd00:ec2::254]", "metadata_service"),
        ("metadata.google.internal", "metadata_service"),
        ("localhost", "internal_name"),
        ("a.localhost", "internal_name"),
        ("printer", "internal_name"),
        ("db.internal", "internal_name"),
        ("rebind.example.org", "special_use"),
        ("plain.example.org", "special_use"),
        ("six.example.org", "special_use"),
        ("mapped.example.org", "special_use"),
        ("shared.example.org", "special_use"),
    ];
    for (number, (place, rule)) in places.into_iter().enumerate() {
        // Each place in one part, and the parts in turn; a few in all of them.
        let parts = PARTS
            .into_iter()
            .enumerate()
            .filter(|(n, _)| number < 2 || n % 3 == number % 3)
            .map(|(_, part)| part);
        for part in parts {
            let url = format!("https://{place}:{port}/x");
            let (evidence, _) = scan_with(part, &url, port).await;
            let refused = refused(&evidence);
            // Redirects never leave the origin; endpoints are not asked at this depth, but
            // their hosts may be greeted.
            let asked = match part {
                Part::Location => false,
                Part::Endpoint => !refused.is_empty(),
                Part::Pointer | Part::Issuer | Part::Keys => true,
            };
            assert_eq!(
                refused.contains(&rule),
                asked,
                "{part:?} {place}: {refused:?}"
            );
            assert!(!canaries.sang().await, "{part:?} {place}");
        }
    }
}

#[tokio::test]
async fn other_schemes_ports_and_names_in_urls_lead_nowhere() {
    let canaries = Canaries::listen().await;
    let port = canaries.port;
    for (url, rule) in [
        ("https://plain.example.org:22/x".to_owned(), Some("port")),
        ("https://plain.example.org:6379/x".to_owned(), Some("port")),
        (
            format!("https://a:b@plain.example.org:{port}/x"),
            Some("user_info"),
        ),
        // Not even asked for, or refused for its scheme.
        (format!("http://plain.example.org:{port}/x"), None),
        ("file:///etc/passwd".to_owned(), None),
        (format!("gopher://127.0.0.1:{port}/_x"), None),
        (format!("ftp://127.0.0.1:{port}/x"), None),
        ("data:application/json,{}".to_owned(), None),
        ("javascript:alert(1)".to_owned(), None),
        (format!("unix:127.0.0.1:{port}"), None),
    ] {
        for part in PARTS {
            let (evidence, heard) = scan_with(part, &url, port).await;
            let refused = refused(&evidence);
            match rule {
                Some(rule) if !matches!(part, Part::Location | Part::Endpoint) => {
                    // Of an issuer only the origin is used, without a user's name.
                    let by_address = part == Part::Issuer && rule == "user_info";
                    let rule = if by_address { "special_use" } else { rule };
                    assert!(refused.contains(&rule), "{part:?} {url}: {refused:?}");
                }
                _ => {
                    let usual = ["plain_http"].into_iter().chain(rule);
                    let usual: Vec<&str> = usual.chain(["special_use"]).collect();
                    let other = refused.iter().find(|rule| !usual.contains(rule));
                    assert_eq!(other, None, "{part:?} {url}");
                }
            }
            assert!(!canaries.sang().await, "{part:?} {url}");
            // The scan went on with the rest of the server.
            assert!(heard.len() > 3, "{part:?} {url}");
        }
    }
}

/// The canaries would sing: without the guard the same metadata leads to them.
#[tokio::test]
async fn without_the_guard_the_canary_sings() {
    let canaries = Canaries::listen().await;
    let pointer = format!("http://127.0.0.1:{}/prm", canaries.port);
    let stage = Stage::plain(move |heard| {
        if heard.path != "/mcp" {
            return stage::nothing();
        }
        let value = format!("Bearer resource_metadata=\"{pointer}\"");
        stage::answer("401 Unauthorized", &[("www-authenticate", &value)], "")
    })
    .await;
    let mut settings = crate::probing::quick();
    settings.timeouts.first_byte = std::time::Duration::from_millis(300);
    scan(settings, &format!("http://{}/mcp", stage.address)).await;
    assert!(canaries.sang().await);
}
