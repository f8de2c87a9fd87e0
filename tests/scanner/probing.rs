//! The real scanner against servers on loopback that are slow, huge, broken, redirecting
//! or secretive.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use scanner::evidence::{Evidence, Exchange, Failure, Phase, Purpose, Response, Stopped};
use scanner::fleet::{Fleet, demo};
use scanner::net::{EndpointHeader, Guard, Identity, NetScanner, Pace, Rates, Retries, Settings};
use scanner::scan::Scan;
use scanner::target::Target;
use scanner::time::SystemClock;

use crate::stage::{self, Heard, Stage, Step};

/// Settings for loopback: no waiting, no repetitions, special-use addresses admitted.
pub(crate) fn quick() -> Settings {
    let number = AtomicU32::new(1);
    let entropy = Arc::new(move || {
        let mut bytes = [0x5a; 16];
        bytes[..4].copy_from_slice(&number.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        bytes
    });
    let mut settings = Settings::new(Arc::new(SystemClock), entropy);
    settings.guard = Guard::allow_private();
    settings.pace = Arc::new(Pace::new(unpaced()));
    settings.retries = Retries::none();
    settings.limits.repeat_gap_ms = 0;
    settings.timeouts.idle_stream = Duration::from_millis(300);
    // A name server that is not there: no test asks the network.
    settings.nameservers = vec!["127.0.0.1:1".parse().unwrap()];
    settings
}

pub(crate) fn unpaced() -> Rates {
    Rates {
        public: Duration::ZERO,
        private: Duration::ZERO,
        global_per_second: None,
        ..Rates::default()
    }
}

pub(crate) async fn scan(settings: Settings, url: &str) -> Evidence {
    let scanner = NetScanner::new(settings).await.unwrap();
    scanner.scan(&Target::of(url), "scn_test").await
}

/// The last attempt with this purpose.
pub(crate) fn last(evidence: &Evidence, purpose: Purpose) -> &Exchange {
    evidence
        .exchanges
        .iter()
        .rfind(|exchange| exchange.purpose == purpose)
        .unwrap_or_else(|| panic!("{} was asked", purpose.name()))
}

pub(crate) fn response(evidence: &Evidence, purpose: Purpose) -> &Response {
    last(evidence, purpose).got.as_ref().unwrap()
}

fn failure(evidence: &Evidence, purpose: Purpose) -> &Failure {
    last(evidence, purpose).got.as_ref().unwrap_err()
}

async fn scan_plain(
    script: impl Fn(&Heard) -> Vec<Step> + Send + Sync + 'static,
) -> (Stage, Evidence) {
    let stage = Stage::plain(script).await;
    let evidence = scan(quick(), &format!("http://{}/mcp", stage.address)).await;
    (stage, evidence)
}

/// Numbers follow each other, and nothing points forward.
fn assert_orderly(evidence: &Evidence) {
    for (exchange, position) in evidence.exchanges.iter().zip(0..) {
        assert_eq!(exchange.id, position);
        assert!(exchange.follows.is_none_or(|before| before < exchange.id));
    }
}

/// A session that asks for `initialize` and lists tools to anybody.
fn open_session(heard: &Heard, session: &str) -> Vec<Step> {
    let (method, id) = heard.rpc();
    let headers = [
        ("content-type", "application/json"),
        ("mcp-session-id", session),
    ];
    match (heard.method.as_str(), method.as_str()) {
        ("POST", "initialize") => {
            let version = if heard.body.contains("2025-11-25") {
                "2025-11-25"
            } else {
                "2025-06-18"
            };
            let body = format!(
                r#"{{"jsonrpc":"2.0","id":"{id}","result":{{"protocolVersion":"{version}","capabilities":{{"tools":{{}}}},"serverInfo":{{"name":"t","version":"1"}}}}}}"#
            );
            stage::answer("200 OK", &headers, &body)
        }
        ("POST", "tools/list") if heard.header("mcp-session-id") == Some(session) => stage::json(
            &format!(r#"{{"jsonrpc":"2.0","id":"{id}","result":{{"tools":[]}}}}"#),
        ),
        ("POST", "notifications/initialized") => stage::answer("202 Accepted", &[], ""),
        ("DELETE", _) => stage::answer("204 No Content", &[], ""),
        ("POST", _) => stage::answer("400 Bad Request", &[], ""),
        _ => stage::nothing(),
    }
}

#[tokio::test]
async fn records_the_whole_demo() {
    let fleet = Fleet::start(demo::world()).await.unwrap();
    let mut settings = quick();
    settings.guard = Guard::public();
    settings.extra_roots = fleet.authority().as_bytes().to_vec();
    settings.connect_to = fleet
        .connect_to()
        .iter()
        .map(|rule| rule.parse().unwrap())
        .collect();
    settings.identity = Identity {
        url: Some("https://authdex.example/policy".to_owned()),
        contact: Some("scanning@authdex.example".to_owned()),
    };
    let scanner = NetScanner::new(settings).await.unwrap();
    for (url, name) in fleet.targets() {
        let evidence = scanner.scan(&Target::of(url), "scn_demo").await;
        assert_orderly(&evidence);
        assert_eq!(evidence.stopped, Stopped::Finished, "{name}");
        let mut sent = evidence
            .exchanges
            .iter()
            .flat_map(|exchange| &exchange.asked.headers);
        assert!(sent.any(|(header, value)| header == "user-agent"
            && value.ends_with("(+https://authdex.example/policy; scan=scn_demo)")));
        for exchange in &evidence.exchanges {
            match &exchange.got {
                Ok(response) => {
                    assert!(
                        response.peer.is_some_and(|peer| peer.is_loopback()),
                        "{name}"
                    );
                    if exchange.asked.url.starts_with("https:") {
                        let tls = response.tls.as_ref().unwrap();
                        assert_eq!((tls.version.as_str(), tls.fault), ("1.3", None), "{name}");
                        assert!(tls.names.len() > 10 && tls.not_before < tls.not_after);
                    }
                }
                Err(failure) => assert_eq!(
                    (exchange.purpose, failure),
                    (Purpose::Plaintext, &Failure::Refused),
                    "{name}"
                ),
            }
        }
        // Questions are put in the same order each time, although hosts answer side by side.
        let again = scanner.scan(&evidence.target, "scn_demo").await;
        let order = |evidence: &Evidence| -> Vec<Purpose> {
            evidence
                .exchanges
                .iter()
                .map(|exchange| exchange.purpose)
                .collect()
        };
        assert_eq!(order(&evidence), order(&again), "{name}");
        assert_ne!(evidence.nonce, again.nonce);
    }
    for seen in fleet.seen() {
        let header = |name: &str| seen.headers.iter().find(|(key, _)| key == name);
        assert!(header("user-agent").is_some_and(|(_, value)| value.starts_with("authdex/")));
        assert!(header("from").is_some() && header("cookie").is_none());
        assert!(header("accept-encoding").is_none());
    }
}

#[tokio::test]
async fn redirects_to_other_origins_are_recorded_and_not_followed() {
    let trap = Stage::plain(|_| stage::nothing()).await;
    let elsewhere = format!("http://{}/mcp", trap.address);
    let location = elsewhere.clone();
    let (_stage, evidence) = scan_plain(move |_| {
        stage::answer("307 Temporary Redirect", &[("location", &location)], "")
    })
    .await;
    let got = response(&evidence, Purpose::Discover);
    assert_eq!(got.status, 307);
    assert_eq!(got.header("location"), Some(elsewhere.as_str()));
    assert_eq!(trap.connections(), 0);
}

#[tokio::test]
async fn redirects_within_the_origin_are_separate_exchanges() {
    let (_stage, evidence) = scan_plain(|heard| match heard.path.as_str() {
        "/mcp" => stage::answer("308 Permanent Redirect", &[("location", "/mcp/")], ""),
        "/mcp/" => stage::challenge(),
        _ => stage::nothing(),
    })
    .await;
    assert_orderly(&evidence);
    let hop = last(&evidence, Purpose::Discover);
    assert!(hop.follows.is_some() && hop.asked.url.ends_with("/mcp/"));
    assert_eq!(hop.asked.method, "POST");
    assert_eq!(hop.got.as_ref().unwrap().status, 401);
}

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

#[tokio::test]
async fn failures_and_5xx_are_repeated_as_exchanges_of_their_own() {
    let calls = AtomicU32::new(0);
    let stage = Stage::plain(move |heard| {
        let (method, _) = heard.rpc();
        if method == "server/discover" {
            return match calls.fetch_add(1, Ordering::SeqCst) {
                0 => vec![Step::Close],
                1 => stage::answer("503 Service Unavailable", &[], "warming up"),
                _ => stage::challenge(),
            };
        }
        if heard.method == "POST" {
            stage::challenge()
        } else {
            stage::nothing()
        }
    })
    .await;
    let mut settings = quick();
    settings.retries.private = vec![Duration::from_millis(10), Duration::from_millis(20)];
    let evidence = scan(settings, &format!("http://{}/mcp", stage.address)).await;
    assert_orderly(&evidence);
    let attempts: Vec<(u8, Option<u16>)> = evidence
        .exchanges
        .iter()
        .filter(|exchange| exchange.purpose == Purpose::Discover)
        .map(|exchange| {
            (
                exchange.attempt,
                exchange.got.as_ref().ok().map(|got| got.status),
            )
        })
        .collect();
    assert_eq!(attempts, [(0, None), (1, Some(503)), (2, Some(401))]);
    // Answers that say no are answers.
    assert_eq!(last(&evidence, Purpose::Initialize).attempt, 0);
}

#[tokio::test]
async fn a_dead_host_is_believed_after_one_round_of_repetitions() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut settings = quick();
    settings.retries.private = vec![Duration::from_millis(5), Duration::from_millis(5)];
    let evidence = scan(settings, &format!("http://{address}/mcp")).await;
    assert_eq!(failure(&evidence, Purpose::Discover), &Failure::Refused);
    assert_eq!(last(&evidence, Purpose::Discover).attempt, 2);
    let later = evidence
        .exchanges
        .iter()
        .skip_while(|exchange| exchange.attempt < 2)
        .skip_while(|exchange| exchange.attempt > 0);
    assert!(later.clone().count() > 0);
    assert!(later.into_iter().all(|exchange| exchange.attempt == 0));
}

#[tokio::test]
async fn a_429_of_the_endpoint_ends_the_scan() {
    let (stage, evidence) = scan_plain(|heard| {
        let (method, _) = heard.rpc();
        if method == "initialize" {
            return stage::answer("429 Too Many Requests", &[("retry-after", "3600")], "");
        }
        stage::challenge()
    })
    .await;
    assert_eq!(evidence.stopped, Stopped::RateLimited);
    let heard = stage.heard();
    assert_eq!(heard.last().unwrap().rpc().0, "initialize");
    assert_eq!(heard.len(), evidence.exchanges.len());
    assert_orderly(&evidence);
}

#[tokio::test]
async fn a_closed_host_is_left_alone_by_the_next_scan() {
    let stage =
        Stage::plain(|_| stage::answer("429 Too Many Requests", &[("retry-after", "3600")], ""))
            .await;
    let scanner = NetScanner::new(quick()).await.unwrap();
    let target = Target::of(format!("http://{}/mcp", stage.address));
    scanner.scan(&target, "scn_1").await;
    assert_eq!(stage.heard().len(), 1);
    assert!(scanner.closed_for("127.0.0.1").unwrap() > Duration::from_secs(3500));
    let evidence = scanner.scan(&target, "scn_2").await;
    assert_eq!(stage.heard().len(), 1);
    assert_eq!(evidence.stopped, Stopped::RateLimited);
    assert!(evidence.exchanges.is_empty());
}

#[tokio::test]
async fn a_stop_is_obeyed_in_the_middle_of_an_exchange() {
    let stage = Stage::plain(|_| vec![Step::Pause(Duration::from_secs(60))]).await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut settings = quick();
    settings.stop = Some(stopped);
    let scanner = NetScanner::new(settings).await.unwrap();
    let target = Target::of(format!("http://{}/mcp", stage.address));
    let (evidence, ()) = tokio::join!(scanner.scan(&target, "scn_1"), async {
        while stage.heard().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stop.send(true).unwrap();
    });
    assert_eq!(evidence.stopped, Stopped::Stopped);
    assert_eq!(stage.heard().len(), 1);
}

#[tokio::test]
async fn a_scan_ends_when_its_time_is_over() {
    let stage = Stage::plain(|_| vec![Step::Pause(Duration::from_secs(60))]).await;
    let mut settings = quick();
    settings.timeouts.scan = Duration::from_millis(200);
    let evidence = scan(settings, &format!("http://{}/mcp", stage.address)).await;
    assert_eq!(evidence.stopped, Stopped::OutOfTime);
}

#[tokio::test]
async fn requests_to_a_host_keep_their_distance_and_their_order() {
    const INTERVAL: u64 = 150;
    let stage = Stage::plain(|heard| {
        if heard.method == "POST" {
            stage::challenge()
        } else {
            stage::nothing()
        }
    })
    .await;
    let mut settings = quick();
    settings.limits.endpoint_requests = 6;
    settings.pace = Arc::new(Pace::new(Rates {
        private: Duration::from_millis(INTERVAL),
        ..unpaced()
    }));
    let evidence = scan(settings, &format!("http://{}/mcp", stage.address)).await;
    assert_eq!(evidence.stopped, Stopped::OutOfAsks);
    let heard = stage.heard();
    assert_eq!(heard.len(), 6);
    // On the server's clock a request may be late, so only the whole can be measured there.
    let whole = heard[5].at.saturating_sub(heard[0].at);
    assert!(whole >= Duration::from_millis(4 * INTERVAL), "{whole:?}");
    let sent: Vec<u64> = evidence
        .exchanges
        .iter()
        .map(|exchange| exchange.after_ms.into())
        .collect();
    assert!(
        sent.windows(2)
            .all(|pair| pair[1] - pair[0] >= INTERVAL - 1),
        "{sent:?}"
    );
    let asked: Vec<&str> = evidence
        .exchanges
        .iter()
        .map(|exchange| exchange.asked.method.as_str())
        .collect();
    let methods: Vec<&str> = heard.iter().map(|heard| heard.method.as_str()).collect();
    assert_eq!(asked, methods);
}

#[tokio::test]
async fn sessions_are_closed_with_their_real_id_and_recorded_without_it() {
    const SESSION: &str = "5f1d9c3e-77aa-4c31-9a52-canary000001";
    let (stage, evidence) = scan_plain(|heard| open_session(heard, SESSION)).await;
    let farewell = stage
        .heard()
        .into_iter()
        .find(|heard| heard.method == "DELETE")
        .unwrap();
    assert_eq!(farewell.header("mcp-session-id"), Some(SESSION));
    let recorded = &last(&evidence, Purpose::EndSession).asked.headers;
    assert!(recorded.iter().any(|(name, value)| name == "mcp-session-id"
        && value.starts_with("[redacted:session")));
    assert!(
        response(&evidence, Purpose::Initialize)
            .header("mcp-session-id")
            .is_some_and(|value| value.starts_with("[redacted:session"))
    );
    let encoded = String::from_utf8(evidence.encode().unwrap()).unwrap();
    assert!(!encoded.contains("canary"));
}

#[tokio::test]
async fn secrets_never_reach_the_evidence() {
    const KEY: &str = "canary-key-8d41c0";
    let stage = Stage::plain(move |heard| {
        let mut echo = heard.headers_named("x-api-key").collect::<Vec<_>>().join(",");
        echo.push_str(" and ");
        echo.push_str(heard.header("authorization").unwrap_or_default());
        let headers = [
            ("set-cookie", "sid=canary-cookie-41; HttpOnly"),
            ("content-type", "application/json"),
            ("x-echo", &echo),
            ("mcp-session-id", "canary-session-93f1"),
            ("www-authenticate", "Bearer"),
        ];
        let body = format!(
            r#"{{"echo":"{echo}","client_secret":"canary-member-77","session":"canary-session-93f1"}}"#
        );
        stage::answer("401 Unauthorized", &headers, &body)
    })
    .await;
    let mut settings = quick();
    settings.endpoint_headers = vec![
        EndpointHeader::new("x-api-key", KEY).unwrap(),
        EndpointHeader::new("authorization", "Bearer canary-token-5511").unwrap(),
    ];
    let evidence = scan(settings, &format!("http://{}/mcp", stage.address)).await;
    assert!(evidence.modified_request);
    let hello = &stage.heard()[0];
    assert_eq!(hello.header("x-api-key"), Some(KEY));
    assert_eq!(
        hello.header("authorization"),
        Some("Bearer canary-token-5511")
    );
    let encoded = String::from_utf8(evidence.encode().unwrap()).unwrap();
    let at = encoded
        .find("canary")
        .map(|at| &encoded[at.saturating_sub(200)..at + 20]);
    assert_eq!(at, None);
}

#[tokio::test]
async fn the_operators_headers_go_to_the_endpoint_only() {
    let other = Stage::plain(|_| stage::nothing()).await;
    let metadata = format!("http://{}/prm", other.address);
    let stage = Stage::plain(move |_| {
        let value = format!("Bearer resource_metadata=\"{metadata}\"");
        stage::answer("401 Unauthorized", &[("www-authenticate", &value)], "")
    })
    .await;
    let mut settings = quick();
    settings.endpoint_headers = vec![EndpointHeader::new("x-api-key", "canary-1").unwrap()];
    scan(settings, &format!("http://{}/mcp", stage.address)).await;
    assert!(
        stage
            .heard()
            .iter()
            .all(|heard| heard.header("x-api-key").is_some())
    );
    let elsewhere = other.heard();
    assert!(!elsewhere.is_empty());
    assert!(
        elsewhere
            .iter()
            .all(|heard| heard.header("x-api-key").is_none())
    );
}

#[tokio::test]
async fn malformed_credentials_go_out_as_the_plan_wrote_them() {
    let (stage, evidence) = scan_plain(|heard| {
        if heard.method == "POST" {
            stage::challenge()
        } else {
            stage::nothing()
        }
    })
    .await;
    let heard = stage.heard();
    let of = |purpose: Purpose| {
        let asked = &last(&evidence, purpose).asked;
        let lines = asked
            .headers
            .iter()
            .filter(|(name, _)| name == "authorization")
            .count();
        let matching = |heard: &&Heard| heard.headers_named("authorization").count() == lines;
        (lines, heard.iter().filter(matching).count())
    };
    assert_eq!(of(Purpose::TwoBearers), (2, 1));
    let bare = |heard: &Heard| heard.header("authorization") == Some("Bearer");
    assert!(heard.iter().any(bare));
    let query = format!("/mcp?access_token=authdex-invalid-{}", evidence.nonce);
    assert!(heard.iter().any(|heard| heard.path == query));
    assert_eq!(last(&evidence, Purpose::Repeat(1)).attempt, 0);
}

#[tokio::test]
async fn repeats_are_made_on_new_connections() {
    let (stage, evidence) = scan_plain(|heard| {
        if heard.method == "POST" {
            stage::challenge()
        } else {
            stage::nothing()
        }
    })
    .await;
    let repeats = (1..=3).filter(|number| {
        evidence
            .exchanges
            .iter()
            .any(|exchange| exchange.purpose == Purpose::Repeat(*number))
    });
    assert_eq!(repeats.count(), 3);
    assert_eq!(stage.connections(), 4);
    // Everything else shares one connection.
    let first = stage
        .heard()
        .iter()
        .filter(|heard| heard.connection == 0)
        .count();
    assert!(first > 5);
}
