//! Answers that are late, endless, huge, malformed or no text.

use std::time::Duration;

use scanner::evidence::{Failure, Phase, Purpose};

use crate::probing::{failure, quick, response, scan, scan_plain};
use crate::stage::{self, Stage, Step};

#[tokio::test]
async fn a_head_that_does_not_come_is_a_timeout() {
    let stage = Stage::plain(|heard| {
        if heard.method == "POST" {
            vec![
                Step::Send(b"HTTP/1.1 200 OK\r\nx-slow: ".to_vec()),
                Step::Pause(Duration::from_secs(60)),
            ]
        } else {
            stage::nothing()
        }
    })
    .await;
    let mut settings = quick();
    settings.timeouts.first_byte = Duration::from_millis(200);
    let evidence = scan(settings, &format!("http://{}/mcp", stage.address)).await;
    assert_eq!(
        failure(&evidence, Purpose::Discover),
        &Failure::Timeout(Phase::FirstByte)
    );
    assert_eq!(response(&evidence, Purpose::EventStream).status, 404);
}

#[tokio::test]
async fn a_body_that_does_not_end_in_time_is_a_timeout() {
    let stage = Stage::plain(|_| {
        vec![
            Step::Send(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{"
                    .to_vec(),
            ),
            Step::Pause(Duration::from_secs(60)),
        ]
    })
    .await;
    let mut settings = quick();
    settings.timeouts.total = Duration::from_millis(200);
    let evidence = scan(settings, &format!("http://{}/mcp", stage.address)).await;
    assert_eq!(
        failure(&evidence, Purpose::Discover),
        &Failure::Timeout(Phase::Total)
    );
}

const STREAM_HEAD: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn an_endless_stream_is_read_to_the_answer_only() {
    let (stage, evidence) = scan_plain(|heard| {
        let (method, id) = heard.rpc();
        if heard.method == "POST" && method == "server/discover" {
            let answer = format!(
                "{STREAM_HEAD}: hello\n\ndata: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}}\n\n\
                 data: {{\"jsonrpc\":\"2.0\",\"id\":\"{id}\",\"error\":{{\"code\":-32601,\"message\":\"no\"}}}}\n\n"
            );
            return vec![
                Step::Send(answer.into_bytes()),
                Step::Pause(Duration::from_millis(700)),
                Step::Flood(b"data: more\n\n".to_vec(), 1 << 30),
            ];
        }
        if heard.method == "GET" && heard.path == "/mcp" {
            return vec![
                Step::Send(STREAM_HEAD.as_bytes().to_vec()),
                Step::Flood(b"event: ping\ndata: 0123456789\n\n".to_vec(), 1 << 30),
            ];
        }
        stage::nothing()
    })
    .await;
    let answer = response(&evidence, Purpose::Discover);
    assert!(answer.body.text.ends_with("\"message\":\"no\"}}\n\n"));
    assert!(!answer.body.truncated);
    let idle = response(&evidence, Purpose::EventStream);
    assert!(idle.body.truncated);
    assert_eq!(idle.body.text.len(), 8 * 1024);
    assert!(stage.flooded() < 64 << 20);
}

#[tokio::test]
async fn a_silent_stream_is_left_after_its_time() {
    let (_stage, evidence) = scan_plain(|heard| {
        if heard.method == "GET" && heard.path == "/mcp" {
            return vec![
                Step::Send(format!("{STREAM_HEAD}: quiet\n\n").into_bytes()),
                Step::Pause(Duration::from_secs(60)),
            ];
        }
        stage::nothing()
    })
    .await;
    let idle = response(&evidence, Purpose::EventStream);
    assert_eq!(idle.body.text, ": quiet\n\n");
    assert!(idle.body.truncated);
}

#[tokio::test]
async fn a_body_of_a_gigabyte_is_cut_at_the_cap() {
    const GIGABYTE: usize = 1 << 30;
    let (stage, evidence) = scan_plain(|heard| {
        let kind = if heard.method == "POST" {
            "application/json"
        } else {
            "text/html"
        };
        vec![
            Step::Send(
                format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {GIGABYTE}\r\n\r\n"
                )
                .into_bytes(),
            ),
            Step::Flood(vec![b'x'; 64 * 1024], GIGABYTE),
        ]
    })
    .await;
    let json = &response(&evidence, Purpose::Discover).body;
    assert_eq!(
        (json.text.len(), json.bytes, json.truncated),
        (262_144, 262_144, true)
    );
    let html = &response(&evidence, Purpose::EventStream).body;
    assert_eq!((html.text.len(), html.truncated), (8 * 1024, true));
    assert!(stage.flooded() < GIGABYTE / 4);
}

#[tokio::test]
async fn compressed_bodies_are_kept_as_sent() {
    // The head of a gzip stream; what it would grow into does not matter, it is never inflated.
    const BOMB: &[u8] = &[0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 2, 3, 0xec, 0xc1, 1, 1, 0];
    let (_stage, evidence) = scan_plain(|_| {
        let mut bytes = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
            BOMB.len()
        )
        .into_bytes();
        bytes.extend_from_slice(BOMB);
        vec![Step::Send(bytes)]
    })
    .await;
    let got = response(&evidence, Purpose::Discover);
    assert_eq!(got.header("content-encoding"), Some("gzip"));
    assert!(got.body.base64);
    assert_eq!(got.body.text, "H4sIAAAAAAACA+zBAQEA");
    assert_eq!(got.body.bytes, BOMB.len() as u64);
}

#[tokio::test]
async fn too_many_or_too_long_headers_are_no_answer() {
    let (_stage, evidence) = scan_plain(|heard| {
        let mut text = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n".to_owned();
        match heard.method.as_str() {
            "POST" => (0..500).for_each(|number| text.push_str(&format!("x-{number}: 1\r\n"))),
            _ => (0..40).for_each(|number| {
                text.push_str(&format!("x-{number}: {}\r\n", "y".repeat(1000)));
            }),
        }
        text.push_str("\r\n");
        vec![Step::Send(text.into_bytes())]
    })
    .await;
    for purpose in [Purpose::Discover, Purpose::EventStream] {
        let failure = failure(&evidence, purpose);
        assert!(matches!(failure, Failure::Protocol(_)), "{failure:?}");
    }
}

#[tokio::test]
async fn names_repeat_and_hundred_and_fifty_headers_are_fine() {
    let (_stage, evidence) = scan_plain(|_| {
        let mut text = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n".to_owned();
        text.push_str("WWW-Authenticate: Bearer\r\nWWW-Authenticate: Basic realm=\"x\"\r\n");
        (0..150).for_each(|number| text.push_str(&format!("x-{number}: 1\r\n")));
        text.push_str("\r\n");
        vec![Step::Send(text.into_bytes())]
    })
    .await;
    let got = response(&evidence, Purpose::Discover);
    let lines: Vec<&str> = got.headers_named("www-authenticate").collect();
    assert_eq!(lines, ["Bearer", "Basic realm=\"x\""]);
}

#[tokio::test]
async fn lies_about_the_length_and_garbage_are_failures() {
    let (_stage, evidence) = scan_plain(|heard| match heard.method.as_str() {
        "POST" => vec![
            Step::Send(b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\nshort".to_vec()),
            Step::Close,
        ],
        _ => vec![
            Step::Send(b"SSH-2.0-OpenSSH_9.9\r\n\r\n".to_vec()),
            Step::Close,
        ],
    })
    .await;
    assert_eq!(failure(&evidence, Purpose::Discover), &Failure::Reset);
    let garbage = failure(&evidence, Purpose::EventStream);
    assert!(matches!(garbage, Failure::Protocol(_)), "{garbage:?}");
}

#[tokio::test]
async fn bytes_that_are_no_text_are_kept_as_base64() {
    let (_stage, evidence) = scan_plain(|_| {
        vec![Step::Send(
            b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nx-latin: caf\xe9\r\n\r\n\xff\x00a".to_vec(),
        )]
    })
    .await;
    let got = response(&evidence, Purpose::Discover);
    assert!(got.body.base64);
    assert_eq!(got.body.text, "/wBh");
    assert_eq!(got.header("x-latin"), Some("café"));
}
