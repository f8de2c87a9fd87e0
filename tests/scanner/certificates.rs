//! Certificates that validate, certificates that do not, and what is sent over them.

use std::sync::Arc;
use std::time::Duration;

use scanner::evidence::{Evidence, Failure, Purpose, TlsFault};
use scanner::net::{EndpointHeader, Guard, Settings};

use crate::probing::{last, quick, response, scan};
use crate::stage::{self, Authority, Heard, Identity, Stage, Step, authority};

const HOST: &str = "mcp.scanned.example";

fn protected(heard: &Heard) -> Vec<Step> {
    if heard.method == "POST" {
        stage::challenge()
    } else {
        stage::nothing()
    }
}

fn mapped(stage: &Stage) -> Settings {
    let mut settings = quick();
    settings.guard = Guard::public();
    settings.connect_to = vec![
        format!("{HOST}:443:127.0.0.1:{}", stage.address.port())
            .parse()
            .unwrap(),
        format!("{HOST}:80:127.0.0.1:1").parse().unwrap(),
    ];
    settings
}

async fn scan_with(identity: &Identity, trusted: Option<&Authority>) -> (Stage, Evidence) {
    let stage = Stage::tls(identity, protected).await;
    let mut settings = mapped(&stage);
    if let Some(authority) = trusted {
        settings.extra_roots = authority.pem.clone().into_bytes();
    }
    let evidence = scan(settings, &format!("https://{HOST}/mcp")).await;
    (stage, evidence)
}

fn fault(evidence: &Evidence) -> Option<TlsFault> {
    response(evidence, Purpose::Discover)
        .tls
        .as_ref()
        .unwrap()
        .fault
}

#[tokio::test]
async fn an_extra_root_makes_a_certificate_valid() {
    let authority = authority();
    let identity = authority.identity(&[HOST, "other.example"], 2020..2050);
    let (_stage, evidence) = scan_with(&identity, Some(&authority)).await;
    let tls = response(&evidence, Purpose::Discover).tls.as_ref().unwrap();
    assert_eq!(tls.fault, None);
    assert_eq!(tls.version, "1.3");
    assert_eq!(tls.names, [HOST, "other.example"]);
    assert_eq!(tls.issuer, "CN=Authority of a test");
    assert_eq!(tls.not_before.rfc3339(), "2020-01-01T00:00:00Z");
    assert_eq!(tls.not_after.rfc3339(), "2050-01-01T00:00:00Z");
    assert_eq!(tls.leaf_sha256.len(), 64);
}

#[tokio::test]
async fn a_certificate_that_does_not_validate_is_recorded_and_the_scan_goes_on() {
    let authority = authority();
    let cases = [
        (
            authority.identity(&[HOST], 2020..2050),
            None,
            TlsFault::Untrusted,
        ),
        (
            Identity::self_signed(HOST),
            Some(&authority),
            TlsFault::Untrusted,
        ),
        (
            authority.identity(&[HOST], 2010..2020),
            Some(&authority),
            TlsFault::Expired,
        ),
        (
            authority.identity(&[HOST], 2090..2095),
            Some(&authority),
            TlsFault::NotYetValid,
        ),
        (
            authority.identity(&["wrong.example"], 2020..2050),
            Some(&authority),
            TlsFault::WrongName,
        ),
    ];
    for (identity, trusted, expected) in cases {
        let (stage, evidence) = scan_with(&identity, trusted).await;
        assert_eq!(fault(&evidence), Some(expected));
        assert_eq!(response(&evidence, Purpose::Discover).status, 401);
        // Every exchange with the host carries the mark, later connections included.
        for exchange in &evidence.exchanges {
            if exchange.asked.url.starts_with("https:") {
                let got = exchange.got.as_ref().unwrap();
                if got.hello.is_some() {
                    continue;
                }
                let tls = got.tls.as_ref().unwrap();
                assert_eq!(tls.fault, Some(expected), "{}", exchange.purpose.name());
            }
        }
        assert!(stage.heard().len() > 10);
    }
}

#[tokio::test]
async fn supplied_headers_are_not_sent_unvalidated() {
    let stage = Stage::tls(&Identity::self_signed(HOST), protected).await;
    let mut settings = mapped(&stage);
    settings.endpoint_headers = vec![EndpointHeader::new("x-api-key", "canary-22").unwrap()];
    let evidence = scan(settings, &format!("https://{HOST}/mcp")).await;
    assert_eq!(fault(&evidence), Some(TlsFault::Untrusted));
    assert!(
        stage
            .heard()
            .iter()
            .all(|heard| heard.header("x-api-key").is_none())
    );
}

#[tokio::test]
async fn connect_to_keeps_the_name_in_tls_and_host() {
    let authority = authority();
    let stage = Stage::tls(&authority.identity(&[HOST], 2020..2050), protected).await;
    for port in ["", ":8443"] {
        let mut settings = mapped(&stage);
        settings.connect_to[0].port = None;
        settings.extra_roots = authority.pem.clone().into_bytes();
        let evidence = scan(settings, &format!("https://{HOST}{port}/mcp")).await;
        assert_eq!(fault(&evidence), None);
        let heard = stage.heard();
        let newest = heard.last().unwrap();
        assert_eq!(newest.sni.as_deref(), Some(HOST));
        assert_eq!(
            newest.header("host"),
            Some(format!("{HOST}{port}").as_str())
        );
        assert_eq!(newest.headers_named("host").count(), 1);
    }
}

#[tokio::test]
async fn a_server_without_http_1_is_asked_over_http_2() {
    let authority = authority();
    let identity = authority.identity(&[HOST], 2020..2050).speaking(b"h2");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::clone(&identity.config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else {
                continue;
            };
            let service = hyper::service::service_fn(|_| async {
                hyper::Response::builder()
                    .status(401)
                    .body(http_body_util::Empty::<hyper::body::Bytes>::new())
            });
            tokio::spawn(
                hyper::server::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new())
                    .serve_connection(hyper_util::rt::TokioIo::new(stream), service),
            );
        }
    });
    let mut settings = quick();
    settings.guard = Guard::public();
    settings.connect_to = vec![
        format!("{HOST}:443:127.0.0.1:{port}").parse().unwrap(),
        format!("{HOST}:80:127.0.0.1:1").parse().unwrap(),
    ];
    settings.extra_roots = authority.pem.into_bytes();
    let evidence = scan(settings, &format!("https://{HOST}/mcp")).await;
    let got = response(&evidence, Purpose::Discover);
    assert_eq!((got.status, got.http.as_str()), (401, "2"));
}

#[tokio::test]
async fn a_handshake_that_breaks_off_is_a_tls_failure() {
    // Speaks plain HTTP where TLS is expected.
    let stage = Stage::plain(protected).await;
    let mut settings = mapped(&stage);
    settings.timeouts.connect = Duration::from_millis(300);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(stream);
        }
    });
    settings.connect_to[0].to_port = Some(port);
    let evidence = scan(settings.clone(), &format!("https://{HOST}/mcp")).await;
    let failure = last(&evidence, Purpose::Discover).got.as_ref().unwrap_err();
    assert!(matches!(failure, Failure::Tls(_)), "{failure:?}");
}

/// Scans a host that does not send its issuer's certificate, which lies at `issuer_at`.
async fn scan_incomplete(issuer_at: &str, served: fn(&[u8]) -> Vec<u8>) -> (Stage, Evidence) {
    let root = authority();
    let (below, der) = root.below();
    let served = served(&der);
    let library = Stage::plain(move |_| {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
            served.len()
        );
        vec![Step::Send([head.as_bytes(), &served].concat())]
    })
    .await;
    let stage = Stage::tls(&below.identity_from(HOST, issuer_at), protected).await;
    let mut settings = mapped(&stage);
    settings.extra_roots = root.pem.into_bytes();
    settings.connect_to.push(
        format!("ca.example:80:127.0.0.1:{}", library.address.port())
            .parse()
            .unwrap(),
    );
    let evidence = scan(settings, &format!("https://{HOST}/mcp")).await;
    (library, evidence)
}

#[tokio::test]
async fn a_chain_that_the_certificate_says_how_to_complete_counts_as_validated() {
    let (library, evidence) = scan_incomplete("http://ca.example/below.cer", <[u8]>::to_vec).await;
    for exchange in &evidence.exchanges {
        let Some(tls) = exchange.got.as_ref().ok().and_then(|got| got.tls.as_ref()) else {
            continue;
        };
        assert_eq!(tls.fault, None, "{}", exchange.purpose.name());
        assert_eq!(
            tls.repaired_from.as_deref(),
            Some("http://ca.example/below.cer")
        );
    }
    let heard = library.heard();
    assert_eq!(heard.len(), 1, "asked once for the whole scan");
    assert_eq!(heard[0].path, "/below.cer");
    assert_eq!(heard[0].header("host"), Some("ca.example"));
}

#[tokio::test]
async fn an_issuer_that_cannot_be_had_leaves_the_chain_untrusted() {
    let long: fn(&[u8]) -> Vec<u8> = |der| [der, &[0; 20_000]].concat();
    for (issuer_at, served) in [
        ("http://ca.example/below.cer", long),
        ("http://ca.example/below.cer", |_| {
            b"no certificate".to_vec()
        }),
        ("http://127.0.0.1/below.cer", <[u8]>::to_vec),
        ("http://169.254.169.254/below.cer", <[u8]>::to_vec),
        ("https://ca.example/below.cer", <[u8]>::to_vec),
        ("http://other.scanned.example/below.cer", <[u8]>::to_vec),
    ] {
        let (_library, evidence) = scan_incomplete(issuer_at, served).await;
        assert_eq!(fault(&evidence), Some(TlsFault::Untrusted), "{issuer_at}");
        let tls = response(&evidence, Purpose::Discover).tls.as_ref().unwrap();
        assert_eq!(tls.repaired_from, None);
    }
}
