//! What callers may ask for besides the address: cursors, times, forms, patience, repetition.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use scanner::time::{Clock as _, Millis};
use serde_json::{Value, json};
use site::SiteSettings;

use super::{filled, server};
use crate::sample;
use crate::web::{Web, ask, settings};

#[tokio::test]
async fn a_cursor_that_was_changed_or_carried_elsewhere_is_refused() {
    let web = filled().await;
    let id = server(&web, "notes").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let list = web.get("/api/v1/servers?limit=2").await.json();
    let cursor = list["next"].as_str().expect("more").to_owned();
    let good = web
        .get(&format!("/api/v1/servers?limit=2&cursor={cursor}"))
        .await;
    assert_eq!(good.status, StatusCode::OK);
    let page = web.get(&format!("/servers?cursor={cursor}")).await;
    assert_eq!(page.status, StatusCode::OK, "pages take the same");
    let mut turned: Vec<char> = cursor.chars().collect();
    let last = turned.len() - 3;
    turned[last] = if turned[last] == 'A' { 'B' } else { 'A' };
    let turned: String = turned.into_iter().collect();
    for path in [
        format!("/api/v1/servers?cursor={turned}"),
        format!("/api/v1/servers?sort=name&cursor={cursor}"),
        format!("/api/v1/servers/{id}/scans?cursor={cursor}"),
        "/api/v1/servers?cursor=l1.2".to_owned(),
        "/api/v1/changes?cursor=x".to_owned(),
    ] {
        let got = web.get(&path).await;
        assert_eq!(got.status, StatusCode::BAD_REQUEST, "{path}");
        assert_eq!(
            got.json()["type"],
            "/docs/problems/invalid-cursor",
            "{path}"
        );
    }
}

/// Rows that come while somebody pages neither repeat others nor hide them.
#[tokio::test]
async fn a_walk_sees_each_row_once_while_rows_are_added() {
    let web = filled().await;
    let mut seen = Vec::new();
    let mut path = "/api/v1/servers?limit=4&sort=name".to_owned();
    for round in 0.. {
        let list = web.get(&path).await.json();
        for row in list["data"].as_array().unwrap() {
            seen.push(row["id"].as_str().unwrap().to_owned());
        }
        let body = format!(r#"{{"url":"https://aaa{round}.example.com/mcp"}}"#);
        web.post_json("/api/v1/scans", &body).await;
        let Some(next) = list["next"].as_str() else {
            break;
        };
        path = format!("/api/v1/servers?limit=4&sort=name&cursor={next}");
    }
    let count = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), count, "each once");
    assert_eq!(
        count, 15,
        "what came behind is not shown, nothing is left out"
    );
}

#[tokio::test]
async fn lists_are_narrowed_by_time_and_counted_on_wish() {
    let web = filled().await;
    let list = async |query: &str| web.get(&format!("/api/v1/servers?{query}")).await.json();
    let len = |list: &Value| list["data"].as_array().unwrap().len();
    let all = list("count=estimate").await;
    assert_eq!(all["count"], 15);
    assert_eq!(list("count=estimate&letter=D").await["count"], 2);
    assert_eq!(list("count=estimate&source=registry").await["count"], 15);
    assert_eq!(list("count=estimate&q=notes").await["count"], Value::Null);
    assert!(list("").await.get("count").is_none());

    let changed = list("changed_since=2026-10-20T00:00:00Z").await;
    let rows = changed["data"].as_array().unwrap();
    assert!(!rows.is_empty() && rows.len() < 15);
    let times: Vec<&str> = rows
        .iter()
        .map(|row| row["changed"].as_str().unwrap())
        .collect();
    assert!(times.iter().all(|at| *at >= "2026-10-20"));
    assert!(times.is_sorted_by(|a, b| a >= b), "last changed first");

    assert_eq!(len(&list("stale=true").await), 0);
    assert_eq!(len(&list("stale=false").await), 15);
    let later = Web::new(
        web.store.clone(),
        web.clock.now().plus(90 * sample::DAY),
        settings(),
    );
    let stale = later
        .get("/api/v1/servers?stale=true&limit=10")
        .await
        .json();
    assert_eq!(len(&stale), 10);
    assert!(
        stale["data"]
            .as_array()
            .unwrap()
            .iter()
            .all(|row| row["stale"] == true)
    );
    for query in [
        "stale=yes",
        "changed_since=yesterday",
        "count=all",
        "stale=true&sort=name",
        "changed_since=2026-10-20T00:00:00Z&stale=true",
    ] {
        let got = web.get(&format!("/api/v1/servers?{query}")).await;
        assert_eq!(got.status, StatusCode::BAD_REQUEST, "{query}");
    }
}

#[tokio::test]
async fn changes_come_as_tables_and_lines_too() {
    let web = filled().await;
    let count = web.get("/api/v1/changes?limit=500").await.json()["data"]
        .as_array()
        .unwrap()
        .len();
    let csv = web.get("/api/v1/changes?limit=500&format=csv").await;
    assert_eq!(csv.text().lines().count(), count + 1);
    let lines = web.get("/api/v1/changes?limit=3&format=ndjson").await;
    assert_eq!(lines.text().lines().count(), 3);
    assert!(lines.header("link").contains("format=ndjson&cursor="));
    for query in ["format=xml", "order=oldest", "since=-1"] {
        let got = web.get(&format!("/api/v1/changes?{query}")).await;
        assert_eq!(got.status, StatusCode::BAD_REQUEST, "{query}");
    }
}

/// Applies the three operations that are used.
fn apply(document: &mut Value, operation: &Value) {
    let path = operation["path"].as_str().expect("a path");
    let (parent, name) = path.rsplit_once('/').expect("a member");
    let name = name.replace("~1", "/").replace("~0", "~");
    let parent = document.pointer_mut(parent).expect("it is there");
    let members = parent.as_object_mut().expect("an object");
    match operation["op"].as_str() {
        Some("remove") => assert!(members.remove(&name).is_some(), "{path}"),
        Some("add") => assert!(members.insert(name, operation["value"].clone()).is_none()),
        Some("replace") => assert!(members.insert(name, operation["value"].clone()).is_some()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_difference_comes_as_a_patch_that_leads_from_one_to_the_other() {
    let web = filled().await;
    let changes = web.get("/api/v1/changes?limit=500").await.json();
    let mut operations = 0;
    for change in changes["data"].as_array().unwrap() {
        let (Some(a), Some(b)) = (change["previous_scan"].as_str(), change["scan"].as_str()) else {
            continue;
        };
        let path = format!("/api/v1/diffs/{a}...{b}");
        let plain = web.get(&path).await;
        assert_eq!(plain.header("content-type"), "application/json");
        let got = web
            .get_with(&path, "accept", "application/json-patch+json")
            .await;
        assert_eq!(got.header("content-type"), "application/json-patch+json");
        assert!(got.header("vary").contains("accept"));
        assert_ne!(got.header("etag"), plain.header("etag"));
        let documents = async |scan: &str| {
            let evidence = web.store.evidence(scan).await.unwrap().expect("kept");
            site::view::documents::named(&evidence)
        };
        let (mut before, after) = (documents(a).await, documents(b).await);
        for operation in got.json().as_array().unwrap() {
            apply(&mut before, operation);
            operations += 1;
        }
        assert_eq!(before, after, "{path}");
        assert_eq!(
            web.get(&path).await.json(),
            plain.json(),
            "one does not become the other"
        );
    }
    assert!(operations > 0);
}

fn wish(url: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = ask("POST", "/api/v1/scans").header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request
        .body(Body::from(json!({ "url": url }).to_string()))
        .expect("a request")
}

const NOTES: &str = "https://notes.demo.example/mcp";

#[tokio::test]
async fn who_prefers_to_wait_gets_the_scan() {
    let web = filled().await;
    let world = scanner::fleet::demo::world();
    let targets = sample::targets(&world);
    let at = web.clock.now().plus(60_000);
    let filing = async {
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            let row = web.store.server_by_url(NOTES).await.unwrap().unwrap();
            if row.next_due.is_some_and(|due| due <= web.clock.now()) {
                return sample::file(&web.store, &world, &targets[0], at).await;
            }
        }
    };
    let asking = web.send(wish(NOTES, &[("prefer", "wait=20")]));
    let (got, scan) = tokio::join!(asking, filing);
    assert_eq!(got.status, StatusCode::OK, "{}", got.text());
    let body = got.json();
    assert_eq!(body["status"], "finished");
    assert_eq!(body["scan"], scan.as_str());
    assert_eq!(body["cached"], false);
    let soon = wish("https://never.example.com/mcp", &[("prefer", "wait=0")]);
    assert_eq!(web.send(soon).await.status, StatusCode::ACCEPTED);
    let wrong = wish(NOTES, &[("prefer", "wait=soon")]);
    assert_eq!(web.send(wrong).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_request_with_a_key_is_answered_once() {
    let web = filled().await;
    let key = [("idempotency-key", "order-1")];
    let first = web.send(wish(NOTES, &key)).await;
    assert_eq!(first.status, StatusCode::ACCEPTED);
    web.clock.advance(60_000);
    let world = scanner::fleet::demo::world();
    let targets = sample::targets(&world);
    sample::file(&web.store, &world, &targets[0], web.clock.now()).await;
    web.clock.advance(3_600_000);
    let again = web.send(wish(NOTES, &key)).await;
    assert_eq!(again.status, StatusCode::ACCEPTED);
    assert_eq!(again.body, first.body, "the same answer");
    assert_eq!(again.header("location"), first.header("location"));
    let row = web.store.server_by_url(NOTES).await.unwrap().unwrap();
    assert!(
        row.next_due.is_some_and(|due| due > web.clock.now()),
        "nothing was started"
    );
    let other = web.send(wish("https://other.example.com/mcp", &key)).await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(other.json()["type"], "/docs/problems/conflict");
    for bad in ["", "a b", &"x".repeat(256)] {
        let got = web.send(wish(NOTES, &[("idempotency-key", bad)])).await;
        assert_eq!(got.status, StatusCode::BAD_REQUEST, "{bad:?}");
    }
    web.clock.advance(25 * 3_600_000);
    let day_after = web.send(wish(NOTES, &key)).await;
    assert_ne!(day_after.body, first.body, "keys are kept for a day");
}

#[tokio::test]
async fn an_age_that_is_demanded_is_kept_to() {
    let web = filled().await;
    let world = scanner::fleet::demo::world();
    let targets = sample::targets(&world);
    let at = web.clock.now();
    sample::file(&web.store, &world, &targets[0], at).await;
    web.clock.advance(120_000);
    let wanted = async |max_age: i64| {
        let body = json!({ "url": NOTES, "max_age": max_age }).to_string();
        web.post_json("/api/v1/scans", &body).await.status.as_u16()
    };
    assert_eq!(wanted(3600).await, 200);
    assert_eq!(wanted(60).await, 429, "two minutes old");
    assert_eq!(wanted(0).await, 429);
    assert_eq!(wanted(i64::MAX).await, 200);
}

#[tokio::test]
async fn wishes_tell_how_their_allowance_stands() {
    let web = filled().await;
    let few = SiteSettings {
        scan_requests_per_hour: 2,
        reads_per_minute: 100,
        ..settings()
    };
    let web = Web::new(web.store.clone(), Millis(web.clock.now().0), few);
    let got = web.send(wish(NOTES, &[])).await;
    assert_eq!(
        got.header("ratelimit-policy"),
        "\"reads\";q=100;w=60, \"scans\";q=2;w=3600"
    );
    let left = got.header("ratelimit");
    assert!(
        left.starts_with("\"reads\";r=99;t=") && left.contains(", \"scans\";r=1;t="),
        "{left}"
    );
    let read = web.get("/api/v1/stats").await;
    assert_eq!(read.header("ratelimit-policy"), "\"reads\";q=100;w=60");
}
