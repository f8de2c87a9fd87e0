//! What a consented scan leaves behind when it is cut off while a registration is under way.

use std::time::Duration;

use scanner::evidence::{Consent, Depth, Purpose, Registration, Stopped};
use scanner::net::NetScanner;
use scanner::scan::Scan as _;
use scanner::target::Target;
use scanner::time::Millis;

use crate::probing::{last, quick};
use crate::stage::{self, Heard, Stage, Step};

const TOKEN: &str = "canary-registration-token";

/// A server on one port with its authorization server; registrations take their time.
fn slow_registration(heard: &Heard) -> Vec<Step> {
    let base = format!("http://{}", heard.header("host").unwrap_or_default());
    let json = [("content-type", "application/json")];
    match (heard.method.as_str(), heard.path.as_str()) {
        ("POST", "/mcp") => stage::answer(
            "401 Unauthorized",
            &[(
                "www-authenticate",
                &format!(
                    "Bearer resource_metadata=\"{base}/.well-known/oauth-protected-resource/mcp\""
                ),
            )],
            "",
        ),
        ("GET", "/.well-known/oauth-protected-resource/mcp") => stage::answer(
            "200 OK",
            &json,
            &format!(r#"{{"resource":"{base}/mcp","authorization_servers":["{base}"]}}"#),
        ),
        ("GET", "/.well-known/oauth-authorization-server") => stage::answer(
            "200 OK",
            &json,
            &format!(
                r#"{{"issuer":"{base}","registration_endpoint":"{base}/register","authorization_endpoint":"{base}/authorize","token_endpoint":"{base}/token","response_types_supported":["code"]}}"#
            ),
        ),
        ("POST", "/register") => {
            let mut steps = vec![Step::Pause(Duration::from_millis(400))];
            steps.extend(stage::answer(
                "201 Created",
                &json,
                &format!(
                    r#"{{"client_id":"c-1","registration_client_uri":"{base}/register/c-1","registration_access_token":"{TOKEN}"}}"#
                ),
            ));
            steps
        }
        ("DELETE", "/register/c-1") => stage::answer("204 No Content", &[], ""),
        _ => stage::nothing(),
    }
}

#[tokio::test]
async fn a_registration_under_way_is_heard_out_and_taken_back() {
    let stage = Stage::plain(slow_registration).await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut settings = quick();
    settings.stop = Some(stopped);
    settings.limits.depth = Depth::Consented;
    settings.consent = Some(Consent {
        hosts: vec!["127.0.0.1".into()],
        basis: "test".into(),
        recorded: Millis(0),
    });
    let scanner = NetScanner::new(settings).await.unwrap();
    let target = Target::of(format!("http://{}/mcp", stage.address));
    let registering = |stage: &Stage| stage.heard().iter().any(|heard| heard.path == "/register");
    let (evidence, ()) = tokio::join!(scanner.scan(&target, "scn_1"), async {
        while !registering(&stage) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        stop.send(true).unwrap();
    });
    assert_eq!(evidence.stopped, Stopped::Stopped);
    assert_eq!(
        last(&evidence, Purpose::Unregister(Registration::Native))
            .got
            .as_ref()
            .unwrap()
            .status,
        204
    );
    let heard = stage.heard();
    let deletion = heard.last().unwrap();
    assert_eq!(deletion.method, "DELETE");
    assert_eq!(
        deletion.header("authorization"),
        Some(format!("Bearer {TOKEN}").as_str())
    );
    let registrations = heard.iter().filter(|heard| heard.path == "/register");
    assert_eq!(registrations.count(), 1);
    let encoded = String::from_utf8(evidence.encode().unwrap()).unwrap();
    assert!(!encoded.contains("canary"));
}
