//! Handshakes over which nothing is asked, with servers that refuse, that choose what is bad,
//! and that answer nonsense.

use scanner::checks;
use scanner::evidence::{Evidence, Failure, Hello, Offer, Purpose};
use scanner::facts::Facts;
use scanner::net::{Guard, NetScanner, Settings};
use scanner::scan::Scan;
use scanner::spec::Revision;
use scanner::target::Target;

use crate::probing::{quick, scan};
use crate::stage::{self, Front, Heard, Stage, Step, authority};

const HOST: &str = "mcp.scanned.example";
const URL: &str = "https://mcp.scanned.example/mcp";

fn protected(heard: &Heard) -> Vec<Step> {
    if heard.method == "POST" {
        stage::challenge()
    } else {
        stage::nothing()
    }
}

async fn stage(
    versions: &[&'static rustls::SupportedProtocolVersion],
    front: Front,
) -> (Stage, Settings) {
    let authority = authority();
    let identity = authority
        .identity(&[HOST], 2020..2050)
        .with_versions(versions);
    let stage = Stage::fronted(&identity, front, protected).await;
    let mut settings = quick();
    settings.guard = Guard::public();
    settings.extra_roots = authority.pem.into_bytes();
    settings.connect_to = vec![
        format!("{HOST}:443:127.0.0.1:{}", stage.address.port())
            .parse()
            .unwrap(),
        format!("{HOST}:80:127.0.0.1:1").parse().unwrap(),
    ];
    (stage, settings)
}

async fn scanned(versions: &[&'static rustls::SupportedProtocolVersion], front: Front) -> Evidence {
    let (_stage, settings) = stage(versions, front).await;
    scan(settings, URL).await
}

fn hellos(evidence: &Evidence) -> Vec<(Offer, Hello)> {
    evidence
        .exchanges
        .iter()
        .filter_map(|exchange| match exchange.purpose {
            Purpose::Handshake(offer) => Some((offer, exchange.got.as_ref().unwrap().hello?)),
            _ => None,
        })
        .collect()
}

fn verdict(evidence: &Evidence) -> String {
    let facts = Facts::new(evidence);
    let check = checks::by_id("tls-configuration").unwrap();
    match checks::judge(check, &facts, Revision::HEADLINE) {
        Ok(scanner::check::Verdict::Pass) => "pass".to_owned(),
        Ok(scanner::check::Verdict::Warn(fault) | scanner::check::Verdict::Fail(fault)) => {
            fault.reason.to_owned()
        }
        Err(unmet) => format!("{unmet:?}"),
    }
}

/// What a hello offers, read from its bytes: its version, and whether it has the suites of TLS
/// 1.3 or static RSA with AES.
fn offer(hello: &[u8]) -> Option<Offer> {
    let version = hello.get(9..11)?;
    let at = 44 + usize::from(*hello.get(43)?);
    let length = usize::from(u16::from_be_bytes([*hello.get(at)?, *hello.get(at + 1)?]));
    let suites: Vec<&[u8]> = hello.get(at + 2..at + 2 + length)?.chunks(2).collect();
    let has = |suite: [u8; 2]| suites.contains(&suite.as_slice());
    Some(match version {
        [3, 2] => Offer::Old,
        // The library offers all of them.
        _ if has([0xc0, 0x2f]) => Offer::Ordinary,
        _ if has([0x13, 1]) => Offer::Tls13,
        _ if has([0, 0x2f]) => Offer::Weak,
        _ => Offer::Broken,
    })
}

fn server_hello(version: u8, suite: [u8; 2]) -> Vec<u8> {
    let body = [&[3, version], &[8; 32][..], &[0], &suite, &[0]].concat();
    let length = u8::try_from(body.len()).unwrap();
    [&[22, 3, version, 0, length + 4, 2, 0, 0, length], &body[..]].concat()
}

const BOTH: &[&rustls::SupportedProtocolVersion] =
    &[&rustls::version::TLS12, &rustls::version::TLS13];

#[tokio::test]
async fn a_modern_server_refuses_what_it_should() {
    let evidence = scanned(BOTH, |_| None).await;
    let hellos = hellos(&evidence);
    assert_eq!(hellos.len(), 2, "{hellos:?}");
    for (offer, hello) in hellos {
        assert!(matches!(offer, Offer::Old | Offer::Weak));
        assert!(matches!(hello, Hello::Alert(_)), "{hello:?}");
    }
    assert_eq!(verdict(&evidence), "pass");
}

#[tokio::test]
async fn a_server_of_tls_1_3_alone_passes() {
    let evidence = scanned(&[&rustls::version::TLS13], |_| None).await;
    assert_eq!(hellos(&evidence).len(), 2);
    assert_eq!(verdict(&evidence), "pass");
}

#[tokio::test]
async fn a_server_without_tls_1_3_is_asked_for_it_alone() {
    let evidence = scanned(&[&rustls::version::TLS12], |_| None).await;
    let hellos = hellos(&evidence);
    assert!(
        matches!(hellos.as_slice(), [_, _, (Offer::Tls13, Hello::Alert(_))]),
        "{hellos:?}"
    );
    assert_eq!(verdict(&evidence), "no_tls13");
}

#[tokio::test]
async fn a_library_understands_our_hello_of_tls_1_3() {
    // Whoever greets with TLS 1.2 alone gets TLS 1.2, so that ours is made.
    let authority = authority();
    let both = authority.identity(&[HOST], 2020..2050);
    let stage = Stage::tls(&both, protected).await;
    let hello = scanner::handshake::client_hello(Offer::Tls13, Some(HOST), &[0x42; 32]).unwrap();
    let mut stream = tokio::net::TcpStream::connect(stage.address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, &hello)
        .await
        .unwrap();
    let mut bytes = Vec::new();
    let answer = loop {
        tokio::io::AsyncReadExt::read_buf(&mut stream, &mut bytes)
            .await
            .unwrap();
        if let Some(answer) = scanner::handshake::answer(&bytes, false) {
            break answer;
        }
    };
    match answer {
        Hello::Chosen {
            version,
            suite,
            group,
        } => {
            assert_eq!((version, group), (0x0304, Some(0x001d)));
            assert!((0x1301..=0x1303).contains(&suite));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn old_versions_are_found() {
    for (version, name) in [(0, "SSL 3.0"), (1, "TLS 1.0"), (2, "TLS 1.1")] {
        let front: Front = match version {
            0 => |first| (offer(first) == Some(Offer::Old)).then(|| server_hello(0, [0, 0x2f])),
            1 => |first| (offer(first) == Some(Offer::Old)).then(|| server_hello(1, [0, 0x2f])),
            _ => |first| (offer(first) == Some(Offer::Old)).then(|| server_hello(2, [0, 0x2f])),
        };
        let evidence = scanned(BOTH, front).await;
        let (_, hello) = hellos(&evidence)[0];
        assert_eq!(hello.words(), format!("{name} with suite 0x002f"));
        assert_eq!(verdict(&evidence), "old_version");
    }
}

#[tokio::test]
async fn a_weak_choice_is_followed_by_the_broken_suites_alone() {
    let evidence = scanned(BOTH, |first| match offer(first)? {
        Offer::Weak => Some(server_hello(3, [0, 0x9c])),
        Offer::Broken => Some(server_hello(3, [0, 0x0a])),
        _ => None,
    })
    .await;
    let offers: Vec<Offer> = hellos(&evidence)
        .into_iter()
        .map(|(offer, _)| offer)
        .collect();
    assert_eq!(offers, [Offer::Old, Offer::Weak, Offer::Broken]);
    assert_eq!(verdict(&evidence), "broken_suite");
    let evidence = scanned(BOTH, |first| {
        (offer(first)? == Offer::Weak).then(|| server_hello(3, [0, 0x9c]))
    })
    .await;
    assert_eq!(verdict(&evidence), "static_rsa");
}

#[tokio::test]
async fn closing_is_a_refusal_and_nonsense_is_none() {
    let evidence = scanned(BOTH, |first| {
        matches!(offer(first)?, Offer::Old | Offer::Weak).then(Vec::new)
    })
    .await;
    assert!(
        hellos(&evidence)
            .iter()
            .all(|(_, hello)| *hello == Hello::Closed)
    );
    assert_eq!(verdict(&evidence), "pass");
    let evidence = scanned(BOTH, |first| {
        (offer(first)? == Offer::Old).then(|| b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec())
    })
    .await;
    assert_eq!(hellos(&evidence)[0], (Offer::Old, Hello::Unreadable));
    assert!(verdict(&evidence).contains("handshakes_not_captured"));
    // More than is ever read, none of it an answer.
    let evidence = scanned(BOTH, |first| {
        (offer(first)? == Offer::Old).then(|| [21, 3, 1, 0, 2, 1, 90].repeat(100_000))
    })
    .await;
    assert_eq!(hellos(&evidence)[0], (Offer::Old, Hello::Alert(90)));
}

#[tokio::test]
async fn nothing_random_of_a_handshake_is_in_the_surface() {
    let (_stage, settings) = stage(&[&rustls::version::TLS12], |_| None).await;
    let scanner = NetScanner::new(settings).await.unwrap();
    let target = Target::of(URL);
    let first = scanner.scan(&target, "scn_one").await;
    let second = scanner.scan(&target, "scn_two").await;
    assert_ne!(first.nonce, second.nonce);
    assert_eq!(
        scanner::surface::digest(&first),
        scanner::surface::digest(&second)
    );
    // Evidence from before handshakes has none, and says so.
    let mut old = first.clone();
    old.plan = 1;
    old.exchanges
        .retain(|exchange| !matches!(exchange.purpose, Purpose::Handshake(_)));
    let old = Evidence::decode(&old.encode().unwrap()).unwrap();
    assert!(verdict(&old).contains("no_tls13"));
}

#[tokio::test]
async fn the_guard_stands_before_handshakes_too() {
    // The authorization server names a token endpoint in somebody's network.
    let authority = authority();
    let identity = authority.identity(&[HOST], 2020..2050);
    let stage = Stage::fronted(
        &identity,
        |_| None,
        |heard| {
            if heard
                .path
                .starts_with("/.well-known/oauth-protected-resource")
            {
                return stage::json(&format!(
                    r#"{{"resource":"{URL}","authorization_servers":["https://{HOST}"]}}"#
                ));
            }
            if heard.path == "/.well-known/oauth-authorization-server" {
                return stage::json(&format!(
                    r#"{{"issuer":"https://{HOST}","authorization_endpoint":"https://{HOST}/a",
                "token_endpoint":"https://tokens.internal/t","response_types_supported":["code"],
                "registration_endpoint":"https://10.0.0.1/r"}}"#
                ));
            }
            protected(heard)
        },
    )
    .await;
    let mut settings = quick();
    settings.guard = Guard::public();
    settings.extra_roots = authority.pem.into_bytes();
    settings.connect_to = vec![
        format!("{HOST}:443:127.0.0.1:{}", stage.address.port())
            .parse()
            .unwrap(),
        format!("{HOST}:80:127.0.0.1:1").parse().unwrap(),
    ];
    let evidence = scan(settings, URL).await;
    let further: Vec<_> = evidence
        .exchanges
        .iter()
        .filter(|exchange| exchange.purpose == Purpose::Handshake(Offer::Ordinary))
        .map(|exchange| {
            (
                exchange.asked.url.as_str(),
                exchange.got.clone().unwrap_err(),
            )
        })
        .collect();
    assert_eq!(
        further,
        [(
            "https://tokens.internal/",
            Failure::Blocked("internal_name".to_owned())
        )]
    );
}
