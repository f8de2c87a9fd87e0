//! Hostile servers below their documents: what is no HTTP, floods, drips, early ends, memory.

use crate::probing::{last, quick, scan};
use crate::stage::{self, Stage, Step};
use scanner::evidence::{Failure, Phase, Purpose};
use scanner::grade::grade;
use scanner::report::{Class, FindingVerdict};
use scanner::rubric;
use std::time::Duration;

use super::{DISCOVERABLE, Script, assert_untold, prm, raw, tamper, tamper_within};

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
