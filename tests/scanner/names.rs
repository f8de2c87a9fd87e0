//! Where names and addresses may lead: the guard seen from outside, with a name server of
//! our own.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use scanner::evidence::{DnsFault, Evidence, Failure, Purpose};
use scanner::net::{Guard, Retries, Settings};
use tokio::net::UdpSocket;

use crate::probing::{last, quick, scan};
use crate::stage::{self, Stage, authority};

/// Answers A and AAAA from a table; NXDOMAIN for everything else under it, unless the name
/// is one of `parents`.
pub(crate) async fn name_server(table: &[(&str, &[&str])], parents: &[&str]) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let table: HashMap<String, Vec<IpAddr>> = table
        .iter()
        .map(|(name, addresses)| {
            let addresses = addresses.iter().map(|text| text.parse().unwrap());
            ((*name).to_owned(), addresses.collect())
        })
        .collect();
    let parents: Vec<String> = parents.iter().map(|name| (*name).to_owned()).collect();
    tokio::spawn(async move {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            if let Some(reply) = dns_reply(&buffer[..length], &table, &parents) {
                let _ = socket.send_to(&reply, from).await;
            }
        }
    });
    address
}

fn dns_reply(
    query: &[u8],
    table: &HashMap<String, Vec<IpAddr>>,
    parents: &[String],
) -> Option<Vec<u8>> {
    let mut labels = Vec::new();
    let mut at = 12;
    while *query.get(at)? != 0 {
        let length = usize::from(query[at]);
        labels.push(String::from_utf8_lossy(query.get(at + 1..at + 1 + length)?).to_lowercase());
        at += 1 + length;
    }
    let kind = query.get(at + 2)?;
    let question = query.get(12..at + 5)?;
    let name = labels.join(".");
    let known = table.get(&name);
    let found: Vec<Vec<u8>> = known
        .into_iter()
        .flatten()
        .filter_map(|address| match (address, kind) {
            (IpAddr::V4(v4), 1) => Some(v4.octets().to_vec()),
            (IpAddr::V6(v6), 28) => Some(v6.octets().to_vec()),
            _ => None,
        })
        .collect();
    let exists = known.is_some() || parents.contains(&name);
    let mut reply = query[..2].to_vec();
    reply.extend([0x81, if exists { 0x80 } else { 0x83 }, 0, 1, 0]);
    reply.push(u8::try_from(found.len()).ok()?);
    reply.extend([0, 0, 0, 0]);
    reply.extend(question);
    for address in found {
        reply.extend([0xc0, 12, 0, *kind, 0, 1, 0, 0, 0, 60, 0]);
        reply.push(u8::try_from(address.len()).ok()?);
        reply.extend(address);
    }
    Some(reply)
}

pub(crate) fn with_server(server: SocketAddr) -> Settings {
    let mut settings = quick();
    settings.nameservers = vec![server];
    settings
}

fn hello_failure(evidence: &Evidence) -> &Failure {
    last(evidence, Purpose::Discover).got.as_ref().unwrap_err()
}

#[tokio::test]
async fn names_resolve_and_connect_where_private_addresses_are_admitted() {
    let stage = Stage::plain(|_| stage::nothing()).await;
    let server = name_server(&[("mcp.lab.example", &["127.0.0.1"])], &[]).await;
    let url = format!("http://mcp.lab.example:{}/mcp", stage.address.port());
    let evidence = scan(with_server(server), &url).await;
    assert!(last(&evidence, Purpose::Discover).got.is_ok());
    let host = format!("mcp.lab.example:{}", stage.address.port());
    assert_eq!(stage.heard()[0].header("host"), Some(host.as_str()));
    let localhost = format!("http://localhost:{}/mcp", stage.address.port());
    let evidence = scan(with_server(server), &localhost).await;
    assert!(last(&evidence, Purpose::Discover).got.is_ok());
}

#[tokio::test]
async fn one_special_answer_among_public_ones_is_refused() {
    for answers in [
        &["93.184.215.14", "10.0.0.7"][..],
        &["127.0.0.1"],
        &["2606:4700::1", "::1"],
        &["64:ff9b::a00:1"],
        &["169.254.169.254"],
    ] {
        let server = name_server(&[("mcp.rebind.example", answers)], &[]).await;
        let mut settings = with_server(server);
        settings.guard = Guard::public();
        settings.retries = Retries {
            public: vec![Duration::ZERO],
            private: vec![Duration::ZERO],
        };
        let evidence = scan(settings, "https://mcp.rebind.example/mcp").await;
        let failure = hello_failure(&evidence);
        assert!(
            matches!(failure, Failure::Blocked(_)),
            "{answers:?}: {failure:?}"
        );
        // What the guard refuses is not asked again.
        assert!(
            evidence
                .exchanges
                .iter()
                .all(|exchange| exchange.attempt == 0)
        );
    }
}

#[tokio::test]
async fn metadata_cannot_lead_the_scanner_into_a_private_network() {
    let trap = Stage::plain(|_| stage::nothing()).await;
    let port = trap.address.port();
    let server = name_server(
        &[
            ("rebind.example.org", &["93.184.215.14", "127.0.0.1"]),
            ("plain.example.org", &["127.0.0.1"]),
        ],
        &[],
    )
    .await;
    let authority = authority();
    for place in [
        format!("127.0.0.1:{port}"),
        format!("[::ffff:127.0.0.1]:{port}"),
        format!("2130706433:{port}"),
        format!("localhost:{port}"),
        format!("rebind.example.org:{port}"),
        format!("plain.example.org:{port}"),
        "169.254.169.254".to_owned(),
        "metadata.google.internal".to_owned(),
    ] {
        let (prm, issuer) = (place.clone(), place.clone());
        let stage = Stage::tls(&authority.identity(&["mcp.scanned.example"], 2020..2050), move |heard| {
            if heard.path == "/.well-known/oauth-protected-resource" {
                return stage::json(&format!(
                    r#"{{"resource":"https://mcp.scanned.example:{port}/mcp","authorization_servers":["https://{issuer}"]}}"#
                ));
            }
            let value = format!("Bearer resource_metadata=\"https://{prm}/prm\"");
            stage::answer("401 Unauthorized", &[("www-authenticate", &value)], "")
        })
        .await;
        let mut settings = with_server(server);
        settings.guard = Guard::public();
        settings.extra_roots = authority.pem.clone().into_bytes();
        // The endpoint's own port is the trap's, so that no port rule saves the day.
        settings.connect_to = vec![
            format!(
                "mcp.scanned.example:{port}:127.0.0.1:{}",
                stage.address.port()
            )
            .parse()
            .unwrap(),
        ];
        let evidence = scan(settings, &format!("https://mcp.scanned.example:{port}/mcp")).await;
        let refused: Vec<&str> = evidence
            .exchanges
            .iter()
            .filter_map(|exchange| match &exchange.got {
                Err(Failure::Blocked(rule)) => Some(rule.as_str()),
                _ => None,
            })
            .collect();
        assert!(!refused.is_empty(), "{place}");
        assert!(!refused.contains(&"port"), "{place}: {refused:?}");
        assert_eq!(trap.connections(), 0, "{place}");
    }
}

#[tokio::test]
async fn our_own_listener_is_refused_even_by_the_private_guard() {
    let own = Stage::plain(|_| stage::nothing()).await;
    let mut settings = quick();
    settings.guard = Guard::allow_private().denying_listeners([own.address]);
    let evidence = scan(settings, &format!("http://{}/mcp", own.address)).await;
    assert_eq!(
        hello_failure(&evidence),
        &Failure::Blocked("denied".to_owned())
    );
    assert_eq!(own.connections(), 0);
}

#[tokio::test]
async fn missing_names_are_told_from_missing_domains() {
    let server = name_server(&[], &["registered.example.org", "example.org"]).await;
    let cases = [
        ("https://mcp.example.org/mcp", DnsFault::NoSuchName),
        (
            "https://mcp.gone-domain.org/mcp",
            DnsFault::DomainUnregistered,
        ),
        ("https://gone-domain.org/mcp", DnsFault::DomainUnregistered),
    ];
    for (url, expected) in cases {
        let mut settings = with_server(server);
        settings.guard = Guard::public();
        let evidence = scan(settings, url).await;
        assert_eq!(hello_failure(&evidence), &Failure::Dns(expected), "{url}");
    }
}

#[tokio::test]
async fn a_resolver_that_does_not_answer_is_not_a_missing_name() {
    let silent = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let mut settings = with_server(silent.local_addr().unwrap());
    settings.guard = Guard::public();
    settings.limits.endpoint_requests = 1;
    let evidence = scan(settings, "https://mcp.example.org/mcp").await;
    assert_eq!(hello_failure(&evidence), &Failure::Dns(DnsFault::Failed));
}

#[tokio::test]
async fn a_proxy_gets_everything_and_the_guard_still_sees_names_and_literals() {
    let proxy = Stage::plain(|heard| match heard.method.as_str() {
        "CONNECT" => stage::answer("502 Bad Gateway", &[], ""),
        "POST" => stage::challenge(),
        _ => stage::nothing(),
    })
    .await;
    let mut settings = quick();
    settings.proxy = Some(format!("http://{}", proxy.address));
    let evidence = scan(settings.clone(), "http://mcp.lab.example/mcp").await;
    let got = last(&evidence, Purpose::Discover).got.as_ref().unwrap();
    assert_eq!((got.status, got.peer), (401, None));
    assert_eq!(proxy.heard()[0].path, "http://mcp.lab.example/mcp");

    settings.guard = Guard::public();
    let evidence = scan(settings.clone(), "https://mcp.lab.example/mcp").await;
    assert!(matches!(hello_failure(&evidence), Failure::Unreachable));
    let tunnel = proxy.heard().pop().unwrap();
    assert_eq!(tunnel.method, "CONNECT");
    let before = proxy.heard().len();
    for url in ["https://10.0.0.1/mcp", "https://intranet/mcp"] {
        let evidence = scan(settings.clone(), url).await;
        assert!(matches!(hello_failure(&evidence), Failure::Blocked(_)));
    }
    assert_eq!(proxy.heard().len(), before);
}
