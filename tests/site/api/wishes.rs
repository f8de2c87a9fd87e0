//! Looking a server up, and wishing for a scan of it.

use crate::sample;
use crate::web::{Web, settings};
use axum::http::StatusCode;
use site::SiteSettings;

use super::{filled, server};

#[tokio::test]
async fn looking_up_redirects_or_says_where_to_submit() {
    let web = filled().await;
    let row = server(&web, "notes").await;
    let found = web
        .get("/api/v1/servers/lookup?url=https://notes.demo.example/mcp")
        .await;
    assert_eq!(found.status, StatusCode::SEE_OTHER);
    assert!(
        found
            .header("location")
            .ends_with(row["id"].as_str().unwrap())
    );
    let unknown = web
        .get("/api/v1/servers/lookup?url=https://new.example.com/mcp")
        .await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert_eq!(unknown.json()["type"], "/docs/problems/unknown-server");
    assert!(
        unknown.json()["submit"]
            .as_str()
            .unwrap()
            .contains("new.example.com")
    );
    let private = web
        .get("/api/v1/servers/lookup?url=https://10.0.0.1/mcp")
        .await;
    assert_eq!(private.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(private.json()["rule"], "not_public");
}

#[tokio::test]
async fn a_wish_is_queued_then_answered_by_the_scan() {
    let web = filled().await;
    let got = web
        .post_json(
            "/api/v1/scans",
            r#"{"url":"https://notes.demo.example/mcp"}"#,
        )
        .await;
    assert_eq!(got.status, StatusCode::ACCEPTED, "{}", got.text());
    assert!(!got.header("retry-after").is_empty());
    let body = got.json();
    assert_eq!(body["status"], "queued");
    let place = got.header("location").to_owned();
    let pending = web.get(&place).await;
    assert_eq!(pending.status, StatusCode::ACCEPTED);
    assert_eq!(pending.json()["status"], "queued");
    assert_eq!(pending.header("cache-control"), "no-store");

    web.clock.advance(60_000);
    let world = scanner::fleet::demo::world();
    let targets = sample::targets(&world);
    let at = scanner::time::Clock::now(&*web.clock);
    let scan = sample::file(&web.store, &world, &targets[0], at).await;
    let done = web.get(&place).await.json();
    assert_eq!(
        (done["status"].as_str(), done["scan"].as_str()),
        (Some("finished"), Some(scan.as_str()))
    );

    // Within the cool-down the same wish is answered from what is there.
    let cached = web
        .post_json(
            "/api/v1/scans",
            r#"{"url":"https://notes.demo.example/mcp"}"#,
        )
        .await;
    assert_eq!(cached.status, StatusCode::OK);
    assert_eq!(cached.json()["cached"], true);
    assert_eq!(cached.json()["id"], scan.as_str());
    let insisting = r#"{"url":"https://notes.demo.example/mcp","max_age":0}"#;
    let refused = web.post_json("/api/v1/scans", insisting).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.json()["type"], "/docs/problems/cooldown");
    assert_eq!(refused.json()["scan"], scan.as_str());
    assert!(!refused.header("retry-after").is_empty());
}

#[tokio::test]
async fn wishes_that_cannot_be_are_refused_with_the_rule() {
    let web = filled().await;
    for (body, status, kind) in [
        (
            r#"{"url":"https://169.254.169.254/"}"#,
            422,
            "target-not-allowed",
        ),
        (
            r#"{"url":"https://mcp.example.com/{tenant}"}"#,
            422,
            "target-not-allowed",
        ),
        ("{}", 400, "validation"),
        ("not json", 400, "validation"),
        // What needs an owner's word is no visitor's to ask for.
        (
            r#"{"url":"https://notes.demo.example/mcp","depth":"consented"}"#,
            403,
            "forbidden",
        ),
        (
            r#"{"url":"https://notes.demo.example/mcp","depth":"deep"}"#,
            400,
            "validation",
        ),
        (
            r#"{"server":"srv_00000000000000000000000000"}"#,
            404,
            "unknown-server",
        ),
    ] {
        let got = web.post_json("/api/v1/scans", body).await;
        assert_eq!(got.status.as_u16(), status, "{body}: {}", got.text());
        assert_eq!(
            got.json()["type"],
            format!("/docs/problems/{kind}"),
            "{body}"
        );
    }
    let closed = SiteSettings {
        accept_submissions: false,
        ..settings()
    };
    let closed = Web::new(web.store.clone(), sample::START, closed);
    let got = closed
        .post_json(
            "/api/v1/scans",
            r#"{"url":"https://notes.demo.example/mcp"}"#,
        )
        .await;
    assert_eq!(got.status, StatusCode::FORBIDDEN);
}
