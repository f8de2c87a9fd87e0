//! Walking a registry, page after page.

use std::time::Duration;

use scanner::net::{EndpointHeader, Guard, Registry, Walk};
use scanner::time::Millis;

use crate::probing::quick;
use crate::stage::{self, Heard, Stage, Step};

fn page(names: &[&str], cursor: Option<&str>) -> Vec<Step> {
    let servers: Vec<String> = names
        .iter()
        .map(|name| format!(r#"{{"server":{{"name":"{name}"}}}}"#))
        .collect();
    let cursor = cursor.map_or_else(String::new, |cursor| format!(r#""nextCursor":"{cursor}","#));
    stage::json(&format!(
        r#"{{"servers":[{}],"metadata":{{{cursor}"count":{}}}}}"#,
        servers.join(","),
        names.len()
    ))
}

fn three_pages(heard: &Heard) -> Vec<Step> {
    match heard.path.split_once("cursor=").map(|(_, rest)| rest) {
        None => page(&["a", "b"], Some("two:x/1")),
        Some(rest) if rest.starts_with("two%3Ax%2F1") => page(&["c"], Some("three")),
        Some(rest) if rest.starts_with("three") => page(&[], None),
        Some(_) => stage::answer("400 Bad Request", &[], ""),
    }
}

fn registry(stage: &Stage) -> Registry {
    Registry::new(format!("http://{}/", stage.address))
}

#[tokio::test]
async fn follows_cursors_to_the_end_over_one_connection() {
    let stage = Stage::plain(three_pages).await;
    let mut registry = registry(&stage);
    registry.key = Some(EndpointHeader::new("x-api-key", "canary").unwrap());
    registry.updated_since = Millis::parse_rfc3339("2026-11-20T00:00:00Z");
    let mut walk = Walk::new(registry, quick()).await.unwrap();
    let mut records = 0;
    let mut cursors = Vec::new();
    while let Some(batch) = walk.next().await.unwrap() {
        assert!(batch.text.contains("servers"));
        records += batch.records;
        cursors.push(batch.cursor);
    }
    assert_eq!(records, 3);
    assert_eq!(
        cursors,
        [Some("two:x/1".to_owned()), Some("three".to_owned()), None]
    );
    assert!(walk.next().await.unwrap().is_none());
    assert!(walk.is_complete());
    assert_eq!(stage.connections(), 1);
    let first = &stage.heard()[0];
    assert_eq!(
        first.path,
        "/v0.1/servers?limit=100&updated_since=2026-11-20T00%3A00%3A00Z"
    );
    assert_eq!(first.header("x-api-key"), Some("canary"));
    assert!(first.header("user-agent").unwrap().starts_with("authdex/"));
}

#[tokio::test]
async fn takes_up_a_walk_at_a_cursor_and_keeps_its_caps() {
    let stage = Stage::plain(three_pages).await;
    let mut later = registry(&stage);
    later.cursor = Some("three".to_owned());
    let mut walk = Walk::new(later, quick()).await.unwrap();
    assert_eq!(walk.next().await.unwrap().unwrap().cursor, None);
    let mut short = registry(&stage);
    short.most_records = 2;
    let mut walk = Walk::new(short, quick()).await.unwrap();
    assert_eq!(walk.next().await.unwrap().unwrap().records, 2);
    assert!(walk.next().await.unwrap().is_none());
    assert!(!walk.is_complete(), "a cap ended it");
    let mut small = registry(&stage);
    small.page_bytes = 20;
    let mut walk = Walk::new(small, quick()).await.unwrap();
    let fault = walk.next().await.unwrap_err().to_string();
    assert!(fault.contains("longer than 20 bytes"), "{fault}");
}

#[tokio::test]
async fn a_circle_ends_with_an_error() {
    let stage = Stage::plain(|_| page(&["a"], Some("again"))).await;
    let mut walk = Walk::new(registry(&stage), quick()).await.unwrap();
    assert!(walk.next().await.is_ok());
    let fault = walk.next().await.unwrap_err().to_string();
    assert!(fault.contains("leads back"), "{fault}");
    assert!(walk.next().await.unwrap().is_none());
}

#[tokio::test]
async fn repeats_after_a_5xx_and_says_what_is_wrong() {
    let count = std::sync::atomic::AtomicU32::new(0);
    let stage =
        Stage::plain(
            move |_| match count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
                0 => stage::answer("502 Bad Gateway", &[], ""),
                1 => page(&["a"], Some("two")),
                2 => stage::json("{\"servers\": 4}"),
                _ => stage::answer("302 Found", &[("location", "http://127.0.0.1:1/")], ""),
            },
        )
        .await;
    let mut settings = quick();
    settings.retries.public = vec![Duration::from_millis(5)];
    let mut walk = Walk::new(registry(&stage), settings).await.unwrap();
    assert_eq!(walk.next().await.unwrap().unwrap().records, 1);
    let fault = walk.next().await.unwrap_err().to_string();
    assert!(fault.contains("page 2"), "{fault}");
    let fault = walk.next().await.unwrap_err().to_string();
    assert!(fault.contains("answered 302, expected 200"), "{fault}");
}

#[tokio::test]
async fn a_private_registry_needs_the_private_guard() {
    let stage = Stage::plain(three_pages).await;
    let mut settings = quick();
    settings.guard = Guard::public();
    let mut registry = registry(&stage);
    registry.base = format!("https://{}", stage.address);
    let mut walk = Walk::new(registry, settings).await.unwrap();
    let fault = walk.next().await.unwrap_err().to_string();
    assert!(fault.contains("special_use"), "{fault}");
    assert_eq!(stage.connections(), 0);
}
