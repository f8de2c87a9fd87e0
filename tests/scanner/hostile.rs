//! Answers that nobody should send, through the whole path: a guarded server on loopback whose
//! protected-resource metadata is tampered with. Each has a named outcome and a known effect on
//! the verdict (docs/hostile-input.md); none makes a scan longer than its time, larger than its
//! caps, or loses what the rest of the server shows.

use std::time::Duration;

use scanner::evidence::{Evidence, Failure, Phase, PrmRole, Purpose, Stopped};
use scanner::grade::grade;
use scanner::report::{Class, Finding, FindingVerdict, Report};
use scanner::rubric;

use crate::probing::{last, quick, scan};
use crate::stage::{self, Heard, Stage, Step};

const PRM: &str = "/.well-known/oauth-protected-resource/mcp";

/// A server that asks for a token and publishes all metadata, on plain http. `tampered` is
/// what answers in place of the protected-resource metadata.
pub(crate) fn guarded(heard: &Heard, tampered: impl Fn(&str) -> Option<Vec<Step>>) -> Vec<Step> {
    let host = heard.header("host").unwrap_or_default();
    let base = format!("http://{host}");
    match (heard.method.as_str(), heard.path.as_str()) {
        ("GET", PRM) => tampered(&base).unwrap_or_else(|| stage::json(&prm(&base))),
        ("GET", "/.well-known/oauth-authorization-server") => stage::json(&format!(
            r#"{{"issuer":"{base}","authorization_endpoint":"{base}/authorize","token_endpoint":"{base}/token","jwks_uri":"{base}/jwks","response_types_supported":["code"],"grant_types_supported":["authorization_code","refresh_token"],"code_challenge_methods_supported":["S256"],"token_endpoint_auth_methods_supported":["none"]}}"#
        )),
        (_, "/mcp") => {
            let value = format!("Bearer resource_metadata=\"{base}{PRM}\"");
            stage::answer("401 Unauthorized", &[("www-authenticate", &value)], "")
        }
        _ => stage::nothing(),
    }
}

fn prm(base: &str) -> String {
    format!(
        r#"{{"resource":"{base}/mcp","authorization_servers":["{base}"],"bearer_methods_supported":["header"]}}"#
    )
}

type Script = Box<dyn Fn() -> Vec<Step> + Send + Sync>;

/// What came of one tampered answer.
struct Seen {
    stage: Stage,
    evidence: Evidence,
    report: Report,
}

impl Seen {
    /// Verdict and reason of a check.
    fn verdict(&self, check: &str) -> (FindingVerdict, &str) {
        let found = self.report.findings.iter().find(|one| one.check == check);
        let found = found.unwrap_or_else(|| panic!("{check} is reported"));
        (found.verdict, &found.reason)
    }

    fn failure(&self) -> &Failure {
        let exchange = last(&self.evidence, Purpose::Prm(PrmRole::Header));
        exchange.got.as_ref().unwrap_err()
    }

    fn text(&self) -> &str {
        let exchange = last(&self.evidence, Purpose::Prm(PrmRole::Header));
        &exchange.got.as_ref().unwrap().body.text
    }
}

async fn tamper(answer: impl Fn(&str) -> Vec<Step> + Send + Sync + 'static) -> Seen {
    tamper_within(Duration::from_secs(30), answer).await
}

/// The same with so much time for each answer.
async fn tamper_within(
    time: Duration,
    answer: impl Fn(&str) -> Vec<Step> + Send + Sync + 'static,
) -> Seen {
    let stage = Stage::plain(move |heard| guarded(heard, |base| Some(answer(base)))).await;
    let mut settings = quick();
    settings.timeouts.first_byte = time;
    settings.timeouts.total = time;
    let url = format!("http://{}/mcp", stage.address);
    let evidence = scan(settings, &url).await;
    let report = grade(&evidence, rubric::current());
    // Whatever the document was, the rest of the server is seen and judged.
    assert_eq!(evidence.stopped, Stopped::Finished);
    assert!(matches!(report.class, Class::Oauth | Class::LegacyOauth));
    let again = Evidence::decode(&evidence.encode().unwrap()).unwrap();
    assert_eq!(grade(&again, rubric::current()), report);
    Seen {
        stage,
        evidence,
        report,
    }
}

/// A 200 with this head (lines that end in CR LF) and body.
fn raw(head: &str, body: &[u8]) -> Vec<Step> {
    let mut bytes = format!("HTTP/1.1 200 OK\r\n{head}\r\n").into_bytes();
    bytes.extend_from_slice(body);
    vec![Step::Send(bytes)]
}

const DISCOVERABLE: &str = "prm-discoverable";

/// What cannot be read cannot be judged: no failure, and nothing that rests on it fails.
fn assert_untold(seen: &Seen, reason: &str, what: &str) {
    let (verdict, said) = seen.verdict(DISCOVERABLE);
    assert_eq!(
        (verdict, said),
        (FindingVerdict::Inconclusive, reason),
        "{what}"
    );
    assert_eq!(seen.report.class, Class::Oauth, "{what}");
    let pointer = seen.verdict("challenge-resource-metadata-url").0;
    assert_ne!(pointer, FindingVerdict::Fail, "{what}");
    for check in [
        "prm-resource-identical",
        "prm-authorization-servers-present",
        "asm-discoverable",
    ] {
        assert!(
            !matches!(seen.verdict(check).0, FindingVerdict::Fail),
            "{what}: {check}"
        );
    }
}

#[tokio::test]
async fn the_untampered_server_is_good() {
    let seen = tamper(|base| stage::json(&prm(base))).await;
    assert_eq!(seen.verdict(DISCOVERABLE).0, FindingVerdict::Pass);
    assert!(seen.text().contains("authorization_servers"));
}

#[tokio::test]
async fn codings_that_nobody_asked_for_are_kept_and_not_inflated() {
    // Ten megabytes of zeroes in a few dozen bytes to ten kilobytes, were they inflated.
    let zstd: &[u8] = &[
        0x28, 0xb5, 0x2f, 0xfd, 0xa4, 0, 0, 0xa0, 0, 0x5b, 0, 0, 0xff,
    ];
    let gzip: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3, 0xec, 0xc1, 1, 1, 0];
    let cases = [
        ("gzip", gzip),
        ("x-gzip", gzip),
        (
            "br",
            &[0xcf, 0xff, 0xff, 0x7f, 0xf8, 0x27, 0, 0xe2, 0xb1][..],
        ),
        ("deflate", &[0x78, 0xda, 0xec, 0xc1, 1, 1][..]),
        ("zstd", zstd),
        ("gzip, gzip, gzip", gzip),
        ("Identity , GZIP", gzip),
    ];
    for (coding, bytes) in cases {
        let seen = tamper(move |_| {
            let head = format!(
                "content-type: application/json\r\ncontent-encoding: {coding}\r\ncontent-length: {}\r\n",
                bytes.len()
            );
            raw(&head, bytes)
        })
        .await;
        assert!(seen.text().len() <= bytes.len().div_ceil(3) * 4, "{coding}");
        assert_untold(&seen, "content_coding", coding);
    }
    // What says that it is coded and is plain JSON is read: every client can.
    let seen = tamper(|base| {
        let headers = [
            ("content-encoding", "identity"),
            ("content-type", "application/json"),
        ];
        stage::answer("200 OK", &headers, &prm(base))
    })
    .await;
    assert_eq!(seen.verdict(DISCOVERABLE).0, FindingVerdict::Pass);
}

#[tokio::test]
async fn nesting_is_refused_without_recursion() {
    let open = |depth: usize| r#"{"resource":"#.repeat(depth);
    for text in [
        "[".repeat(100_000),
        format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)),
        open(20_000),
        format!("{{\"resource\":{}1{}}}", "[".repeat(40), "]".repeat(40)),
    ] {
        let seen = tamper(move |_| stage::json(&text)).await;
        assert_untold(&seen, "too_deep", "nested");
    }
}

#[tokio::test]
async fn duplicate_members_are_told_and_the_first_counts() {
    let seen = tamper(|base| {
        stage::json(&prm(base).replace('}', r#","resource":"https://evil.example/mcp"}"#))
    })
    .await;
    assert_eq!(
        seen.verdict("prm-resource-identical").0,
        FindingVerdict::Pass
    );
    assert_eq!(
        seen.verdict("prm-http-response"),
        (FindingVerdict::Fail, "contradictory_members")
    );
}

#[tokio::test]
async fn bodies_without_an_end_are_cut() {
    let endless = |_: &str| {
        vec![
            Step::Send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n[".to_vec()),
            Step::Flood(b"1,".repeat(8192), 1 << 30),
        ]
    };
    let seen = tamper(endless).await;
    assert_untold(&seen, "truncated", "a body without an end");
    assert_eq!(seen.text().len(), 256 * 1024);
    assert!(seen.stage.flooded() < 128 << 20);
    let chunked = |_: &str| {
        vec![
            Step::Send(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
                    .to_vec(),
            ),
            Step::Flood(format!("400\r\n{}\r\n", "1,".repeat(512)).into_bytes(), 1 << 30),
        ]
    };
    let seen = tamper(chunked).await;
    assert_untold(&seen, "truncated", "chunks without an end");
    assert!(seen.stage.flooded() < 128 << 20);
}

#[tokio::test]
async fn what_is_not_http_is_a_protocol_failure() {
    let many: String = (0..10_000).map(|n| format!("x-{n}: 1\r\n")).collect();
    let long = format!("x-long: {}\r\n", "y".repeat(1 << 20));
    let cases: Vec<(&str, Vec<u8>)> = vec![
        (
            "an answer without a head",
            b"{\"resource\":\"x\"}\r\n\r\n".to_vec(),
        ),
        ("HTTP/0.9", b"<html>hello</html>\n\n\n\n".to_vec()),
        ("another protocol", b"SSH-2.0-OpenSSH_9.9\r\n\r\n".to_vec()),
        (
            "HTTP/2 without asking",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        ),
        ("no status", b"HTTP/1.1 \r\n\r\n".to_vec()),
        ("a status of two digits", b"HTTP/1.1 20 OK\r\n\r\n".to_vec()),
        (
            "ten thousand headers",
            format!("HTTP/1.1 200 OK\r\n{many}\r\n").into_bytes(),
        ),
        (
            "a header of a megabyte",
            format!("HTTP/1.1 200 OK\r\n{long}\r\n").into_bytes(),
        ),
        (
            "a control character in a header",
            b"HTTP/1.1 200 OK\r\nx: a\x00b\r\ncontent-length: 0\r\n\r\n".to_vec(),
        ),
        (
            "a header name with a blank",
            b"HTTP/1.1 200 OK\r\nx y: a\r\ncontent-length: 0\r\n\r\n".to_vec(),
        ),
        (
            "two lengths",
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}\n".to_vec(),
        ),
        (
            "a negative length",
            b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n{}".to_vec(),
        ),
        (
            "a length past all numbers",
            b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n{}".to_vec(),
        ),
        (
            "no hexadecimal size",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n".to_vec(),
        ),
        (
            "a chunk past all numbers",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}"
                .to_vec(),
        ),
        (
            "a chunk without its end",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}xx0\r\n\r\n".to_vec(),
        ),
    ];
    for (what, bytes) in cases {
        let seen = tamper(move |_| vec![Step::Send(bytes.clone()), Step::Close]).await;
        let failure = seen.failure();
        assert!(
            matches!(failure, Failure::Protocol(_)),
            "{what}: {failure:?}"
        );
        assert_untold(&seen, "network", what);
    }
}

#[tokio::test]
async fn floods_in_the_head_and_between_chunks_end() {
    let cases: [(&str, &[u8], &[u8]); 4] = [
        (
            "1xx",
            b"",
            b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n",
        ),
        ("headers", b"HTTP/1.1 200 OK\r\n", b"x-more: 0123456789\r\n"),
        (
            "chunk extensions",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2",
            b";a=0123456789",
        ),
        (
            "trailers",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n",
            b"x-more: 0123456789\r\n",
        ),
    ];
    for (what, head, flood) in cases {
        let seen = tamper_within(Duration::from_millis(600), move |_| {
            vec![
                Step::Send(head.to_vec()),
                Step::Flood(flood.repeat(512), 1 << 34),
            ]
        })
        .await;
        let failure = seen.failure();
        assert!(
            matches!(failure, Failure::Protocol(_) | Failure::Timeout(_)),
            "{what}: {failure:?}"
        );
        assert_untold(&seen, "network", what);
    }
}

#[tokio::test]
async fn bytes_that_drip_run_into_the_time_limits() {
    fn drip(text: &str) -> Vec<Step> {
        let byte = |byte: u8| {
            [
                Step::Send(vec![byte]),
                Step::Pause(Duration::from_millis(40)),
            ]
        };
        text.bytes().flat_map(byte).collect()
    }
    let brief = Duration::from_millis(500);
    let seen = tamper_within(brief, |_| {
        drip("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
    })
    .await;
    assert_eq!(seen.failure(), &Failure::Timeout(Phase::FirstByte));
    assert_untold(&seen, "network", "a head that drips");
    let seen = tamper_within(brief, |_| {
        let mut steps = raw("content-length: 999\r\n", b"");
        steps.extend(drip(&"{\"resource\":\"".repeat(10)));
        steps
    })
    .await;
    assert_eq!(seen.failure(), &Failure::Timeout(Phase::Total));
    assert_untold(&seen, "network", "a body that drips");
}

#[tokio::test]
async fn connections_that_close_too_early_are_resets() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-le".to_vec();
    let cases: Vec<(&str, Script)> = vec![
        ("closed at once", Box::new(|| vec![Step::Close])),
        (
            "half-closed without a word",
            Box::new(|| vec![Step::Shut, Step::Pause(Duration::from_secs(60))]),
        ),
        (
            "closed within the head",
            Box::new(move || vec![Step::Send(half.clone()), Step::Close]),
        ),
        (
            "closed before the length it named",
            Box::new(|| {
                let mut steps = raw("content-length: 4096\r\n", b"{}");
                steps.extend([Step::Shut, Step::Pause(Duration::from_secs(60))]);
                steps
            }),
        ),
        (
            "closed before the last chunk",
            Box::new(|| {
                let mut steps = raw("transfer-encoding: chunked\r\n", b"2\r\n{}\r\n");
                steps.push(Step::Close);
                steps
            }),
        ),
    ];
    for (what, steps) in cases {
        let seen = tamper(move |_| steps()).await;
        assert_eq!(seen.failure(), &Failure::Reset, "{what}");
        assert_untold(&seen, "network", what);
    }
}

#[tokio::test]
async fn bytes_past_the_named_length_belong_to_no_answer() {
    let seen = tamper(|base| {
        let text = prm(base);
        let smuggled = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 15\r\n\r\n{\"smuggled\":1}\n";
        raw(
            &format!("content-type: application/json\r\ncontent-length: {}\r\n", text.len()),
            format!("{text}{smuggled}").as_bytes(),
        )
    })
    .await;
    assert_eq!(seen.verdict(DISCOVERABLE).0, FindingVerdict::Pass);
    let encoded = String::from_utf8(seen.evidence.encode().unwrap()).unwrap();
    assert!(!encoded.contains("smuggled"));
    // A length that ends within the document: what is there is no JSON.
    let seen = tamper(|base| raw("content-length: 9\r\n", prm(base).as_bytes())).await;
    assert_eq!(seen.text(), r#"{"resourc"#);
    assert_eq!(seen.verdict(DISCOVERABLE).0, FindingVerdict::Fail);
}

#[tokio::test]
async fn redirects_in_a_circle_and_without_an_end_are_followed_three_times() {
    let seen = tamper(|_| stage::answer("302 Found", &[("location", PRM)], "")).await;
    let asked = |seen: &Seen| {
        let heard = seen.stage.heard();
        heard
            .iter()
            .filter(|heard| heard.path.contains("protected-resource/mcp"))
            .count()
    };
    assert!(asked(&seen) <= 8, "{}", asked(&seen));
    assert_eq!(seen.verdict(DISCOVERABLE).0, FindingVerdict::Fail);
    let stage = Stage::plain(|heard| {
        let next = match heard.path.rsplit_once("/hop") {
            Some((_, number)) => number.parse::<u32>().unwrap_or(0) + 1,
            None => 0,
        };
        if heard.path.starts_with("/mcp") || heard.path.contains("hop") {
            let location = format!("/mcp/hop{next}");
            return stage::answer("308 Permanent Redirect", &[("location", &location)], "");
        }
        stage::nothing()
    })
    .await;
    let evidence = scan(quick(), &format!("http://{}/mcp", stage.address)).await;
    assert_eq!(evidence.stopped, Stopped::Finished);
    let furthest = stage
        .heard()
        .iter()
        .filter(|heard| heard.path.contains("hop3"))
        .count();
    assert_eq!(furthest, 0, "more than three hops");
    let hops = stage
        .heard()
        .iter()
        .filter(|heard| heard.path.contains("hop"))
        .count();
    assert!(hops > 0 && stage.heard().len() < 45, "{hops}");
}

#[tokio::test]
async fn locations_that_are_no_places_lead_nowhere() {
    for location in [
        "",
        "//",
        "http://",
        "http://[::1",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "data:application/json,{}",
        "http://127.0.0.1:99999/",
        "\\\\evil\\x",
        "http://user:pass@127.0.0.1:1/x",
        "\u{202e}moc.live",
    ] {
        let seen =
            tamper(move |_| stage::answer("307 Temporary Redirect", &[("location", location)], ""))
                .await;
        let verdict = seen.verdict(DISCOVERABLE).0;
        assert_eq!(verdict, FindingVerdict::Fail, "{location}");
        for exchange in &seen.evidence.exchanges {
            assert!(
                exchange.asked.url.starts_with("http://127.0.0.1:"),
                "{}",
                exchange.asked.url
            );
            assert!(!exchange.asked.url.contains('@'), "{}", exchange.asked.url);
        }
    }
}

/// Characters that a terminal or a page would obey are escaped where a finding quotes them.
#[tokio::test]
async fn characters_that_deceive_are_escaped_in_what_is_said() {
    let seen = tamper(|base| {
        let text = prm(base).replace(
            "/mcp\"",
            "/\\u001b[2J\\u202e\\u0000\\u2066\u{202e}\u{7f}\u{9b}\"",
        );
        stage::json(&text)
    })
    .await;
    let quoted = |finding: &Finding| finding.detail.contains("\\u{202e}");
    assert!(seen.report.findings.iter().any(quoted));
    for finding in &seen.report.findings {
        let obeyed = |c: char| {
            c.is_control()
                || ('\u{202a}'..='\u{202e}').contains(&c)
                || ('\u{2066}'..='\u{2069}').contains(&c)
        };
        assert!(
            !finding.detail.contains(obeyed),
            "{}: {:?}",
            finding.check,
            finding.detail
        );
    }
    let seen = tamper(|_| raw("content-length: 4\r\n", b"{\xff\xfe}")).await;
    assert_eq!(seen.verdict(DISCOVERABLE).0, FindingVerdict::Fail);
    assert_eq!(seen.text(), "e//+fQ==");
}

/// After everything above in one process, memory is what a few scans need. Were one body, head
/// or stream kept whole, it would be gigabytes.
#[tokio::test]
async fn memory_stays_bounded_under_floods() {
    let before = peak_kib();
    let floods: [(&[u8], &[u8]); 4] = [
        (
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n",
            b"[1,2,3],",
        ),
        (
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n",
            b"data: x\n",
        ),
        (b"HTTP/1.1 200 OK\r\n", b"x-more: 0123456789\r\n"),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2",
            b";a=0123456789",
        ),
    ];
    let scans = floods.map(|(head, flood)| {
        tamper(move |_| {
            vec![
                Step::Send(head.to_vec()),
                Step::Flood(flood.repeat(4096), 8 << 30),
            ]
        })
    });
    let seen = futures_util::future::join_all(scans).await;
    for seen in &seen {
        assert!(seen.evidence.encode().unwrap().len() < 4 << 20);
    }
    if let (Some(before), Some(after)) = (before, peak_kib()) {
        let grown = after.saturating_sub(before);
        assert!(grown < 256 << 10, "grew by {grown} KiB");
    }
}

/// Peak resident memory of this process, where the system tells.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[tokio::test]
async fn handshakes_that_never_end_and_are_no_tls_are_failures() {
    let silent = Stage::plain(|_| stage::nothing()).await;
    let mut settings = quick();
    settings.timeouts.connect = Duration::from_millis(300);
    let evidence = scan(settings, &format!("https://{}/mcp", silent.address)).await;
    let failure = last(&evidence, Purpose::Discover).got.as_ref().unwrap_err();
    assert_eq!(failure, &Failure::Timeout(Phase::Connect));
    let hello = b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03";
    for (what, bytes) in [
        ("plain http", &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..]),
        ("an endless handshake", hello),
        ("alerts", b"\x15\x03\x03\x00\x02\x01\x5a"),
        ("noise", b"\x00\xff\x17\x03"),
    ] {
        let address = shouting(bytes).await;
        let mut settings = quick();
        settings.timeouts.connect = Duration::from_millis(300);
        let evidence = scan(settings, &format!("https://{address}/mcp")).await;
        let failure = last(&evidence, Purpose::Discover).got.as_ref().unwrap_err();
        assert!(
            matches!(failure, Failure::Tls(_) | Failure::Timeout(Phase::Connect)),
            "{what}: {failure:?}"
        );
        let report = grade(&evidence, rubric::current());
        assert_eq!(report.class, Class::Unreachable, "{what}");
    }
}

/// Sends the same bytes for as long as somebody reads them, and hears nothing.
async fn shouting(bytes: &'static [u8]) -> std::net::SocketAddr {
    use tokio::io::AsyncWriteExt as _;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move { while stream.write_all(bytes).await.is_ok() {} });
        }
    });
    address
}

/// The same tricks in answers to MCP messages: the endpoint itself is hostile.
#[tokio::test]
async fn an_endpoint_that_answers_with_tricks_is_not_mistaken_for_a_server() {
    let deep = "[".repeat(100_000);
    let cases: Vec<(&str, Vec<Step>)> = vec![
        ("nested", stage::json(&deep)),
        (
            "nested error",
            stage::json(&format!(
                r#"{{"jsonrpc":"2.0","error":{{"code":1,"data":{deep}"#
            )),
        ),
        (
            "no text",
            raw(
                "content-type: application/json\r\ncontent-length: 2\r\n",
                b"\xff\xfe",
            ),
        ),
        (
            "duplicates",
            stage::json(r#"{"jsonrpc":"2.0","id":1,"error":{"code":"x"},"error":7,"result":8}"#),
        ),
        (
            "numbers",
            stage::json(r#"{"jsonrpc":"2.0","id":1e999,"error":{"code":99999999999999999999999}}"#),
        ),
        (
            "coded",
            raw(
                "content-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n",
                &[0x1f, 0x8b, 8, 0],
            ),
        ),
    ];
    for (what, steps) in cases {
        let bytes: Vec<u8> = steps
            .into_iter()
            .filter_map(|step| match step {
                Step::Send(bytes) => Some(bytes),
                _ => None,
            })
            .flatten()
            .collect();
        let stage = Stage::plain(move |_| vec![Step::Send(bytes.clone())]).await;
        let evidence = scan(quick(), &format!("http://{}/mcp", stage.address)).await;
        assert_eq!(evidence.stopped, Stopped::Finished, "{what}");
        let report = grade(&evidence, rubric::current());
        assert_eq!(report.class, Class::NotMcp, "{what}");
        assert!(report.grade.letter.is_none(), "{what}");
        assert!(stage.heard().len() < 45, "{what}");
    }
}
