//! The real scanner against servers on loopback that are slow, huge, broken, redirecting
//! or secretive.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use scanner::evidence::{Evidence, Exchange, Failure, Hello, Purpose, Response, Stopped};
use scanner::fleet::{Fleet, demo};
use scanner::net::{Guard, Identity, NetScanner, Pace, Rates, Settings};
use scanner::scan::Scan;
use scanner::target::Target;

use crate::loopback;
use crate::stage::{self, Heard, Stage, Step};

/// Settings for loopback: no waiting, no repetitions, special-use addresses admitted.
pub(crate) fn quick() -> Settings {
    let mut settings = loopback::unhurried();
    settings.guard = Guard::allow_private();
    settings
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

pub(crate) fn failure(evidence: &Evidence, purpose: Purpose) -> &Failure {
    last(evidence, purpose).got.as_ref().unwrap_err()
}

pub(crate) async fn scan_plain(
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

#[tokio::test]
async fn records_the_whole_demo() {
    let fleet = Fleet::start(demo::world()).await.unwrap();
    let mut settings = loopback::reaching(&fleet);
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
                    if let Some(hello) = response.hello {
                        assert!(matches!(hello, Hello::Alert(_)), "{name}: {hello:?}");
                    } else if exchange.asked.url.starts_with("https:") {
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
        ..loopback::unpaced()
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

#[tokio::test]
async fn documents_of_an_issuer_are_fetched_once_for_all_its_servers() {
    let fleet = Fleet::start(demo::world()).await.unwrap();
    let mut settings = loopback::reaching(&fleet);
    settings.share_documents = Duration::from_secs(3600);
    let scanner = NetScanner::new(settings).await.unwrap();
    let mut shared = Vec::new();
    for name in ["calendar", "mail"] {
        let url = format!("https://{name}.demo.example/mcp");
        let evidence = scanner.scan(&Target::of(url), "scn_1").await;
        let found = evidence.exchanges.iter().filter(|exchange| {
            matches!(exchange.purpose, Purpose::AsMetadata(..) | Purpose::Jwks(_))
                && exchange
                    .got
                    .as_ref()
                    .is_ok_and(|response| response.status == 200)
        });
        shared.push(
            found
                .map(|exchange| exchange.shared.is_some())
                .collect::<Vec<_>>(),
        );
    }
    assert_eq!(shared, [[false, false], [true, true]]);
    let asked = |path: &str| {
        let seen = fleet.seen();
        let documents = seen
            .iter()
            .filter(|seen| seen.host == "login.demo.example" && seen.path == path);
        // The CORS probe reads it again, with an `Origin`.
        documents
            .filter(|seen| !seen.headers.iter().any(|(name, _)| name == "origin"))
            .count()
    };
    assert_eq!(asked("/.well-known/oauth-authorization-server"), 1);
    assert_eq!(asked("/jwks"), 1);
}

#[tokio::test]
async fn a_server_in_maintenance_is_left_alone() {
    let (stage, evidence) =
        scan_plain(|_| stage::answer("503 Service Unavailable", &[("retry-after", "7200")], ""))
            .await;
    assert_eq!(stage.heard().len(), 1);
    assert_eq!(evidence.exchanges.len(), 1);
    assert_eq!(evidence.stopped, Stopped::RateLimited);
}
