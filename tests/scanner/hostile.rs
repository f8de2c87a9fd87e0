//! Answers that nobody should send, through the whole path: a guarded server on loopback whose
//! protected-resource metadata is tampered with. Each has a named outcome and a known effect on
//! the verdict (docs/hostile-input.md); none makes a scan longer than its time, larger than its
//! caps, or loses what the rest of the server shows.

mod wire;

use std::time::Duration;

use scanner::evidence::{Evidence, Failure, PrmRole, Purpose, Stopped};
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
