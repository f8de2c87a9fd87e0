//! What is sent must be the real thing; what is kept must not.

use scanner::evidence::Purpose;
use scanner::net::EndpointHeader;

use crate::probing::{last, quick, response, scan, scan_plain};
use crate::stage::{self, Heard, Stage, Step};

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
