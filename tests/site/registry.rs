//! Our index as a registry: the forms of the official one, and our results among them.

use axum::http::StatusCode;
use serde_json::{Value, json};
use site::SiteSettings;
use store::Entry;

use crate::sample;
use crate::web::{self, Web, settings};

const OURS: &str = "example.authdex/authorization";

/// The sample with an entry for some of its servers, one with two, and one that nobody scanned.
async fn listed() -> Web {
    let (store, now) = web::filled().await;
    let public = SiteSettings {
        public_url: Some("https://authdex.example".into()),
        ..settings()
    };
    let web = Web::new(store, now.plus(sample::DAY), public);
    let entry = |name: &str, hosts: &[&str]| {
        let urls: Vec<String> = hosts
            .iter()
            .map(|host| format!("https://{host}.demo.example/mcp"))
            .collect();
        Entry {
            name: format!("example/{name}"),
            version: "1.0.0".into(),
            latest: true,
            deleted: name == "gone",
            changed: now,
            text: json!({
                "server": {
                    "name": format!("example/{name}"), "version": "1.0.0", "odd": [1.5, null],
                    "remotes": urls.iter().map(|url| json!({"type": "streamable-http", "url": url}))
                        .collect::<Vec<_>>(),
                },
                "_meta": {
                    "io.modelcontextprotocol.registry/official": {"status": "active", "isLatest": true},
                    "com.other/notes": {"stars": 5},
                },
            })
            .to_string(),
            urls,
        }
    };
    let entries = [
        entry("crm", &["crm"]),
        entry("both", &["notes", "crm"]),
        entry("gone", &["notes"]),
        entry("notes", &["notes"]),
        entry("unknown", &["never"]),
    ];
    web.store
        .keep_entries("registry", &entries, now)
        .await
        .expect("kept");
    web
}

fn names(page: &Value) -> Vec<&str> {
    let servers = page["servers"].as_array().expect("a list");
    servers
        .iter()
        .map(|entry| entry["server"]["name"].as_str().expect("a name"))
        .collect()
}

#[tokio::test]
async fn entries_are_passed_on_with_our_results() {
    let web = listed().await;
    let page = web.get("/v0.1/servers").await;
    assert_eq!(page.status, StatusCode::OK);
    let page = page.json();
    assert_eq!(
        names(&page),
        [
            "example/both",
            "example/crm",
            "example/notes",
            "example/unknown"
        ]
    );
    assert_eq!(page["metadata"], json!({ "count": 4 }));
    let both = &page["servers"][0];
    assert_eq!(
        both["server"]["odd"],
        json!([1.5, null]),
        "as it was received"
    );
    assert_eq!(
        both["_meta"]["com.other/notes"]["stars"], 5,
        "others' statements survive"
    );
    let ours = &both["_meta"][OURS];
    assert_eq!(ours["schema"], "authdex.meta/1");
    assert_eq!(ours["letter"], "D", "the worst of its remotes");
    assert_eq!(ours["remotes"].as_array().map(Vec::len), Some(2));
    assert_eq!(ours["stale"], false);
    let unknown = &page["servers"][3];
    assert!(
        unknown["_meta"].get(OURS).is_none(),
        "no result, no statement"
    );
    // The letter is the one that the API tells.
    let row = web.get("/api/v1/servers?q=crm").await.json();
    let crm = &page["servers"][1]["_meta"][OURS];
    assert_eq!(crm["letter"], row["data"][0]["grade"]["letter"]);
    assert_eq!(crm["remotes"][0]["page"], row["data"][0]["links"]["page"]);
    assert_eq!(
        web.get("/v0/servers").await.json(),
        page,
        "the older path is the same"
    );
}

#[tokio::test]
async fn a_policy_narrows_the_list() {
    let web = listed().await;
    let list = async |query: &str| web.get(&format!("/v0.1/servers?{query}")).await.json();
    assert_eq!(names(&list("include_deleted=true").await).len(), 5);
    assert_eq!(names(&list("search=CRM").await), ["example/crm"]);
    assert_eq!(names(&list("version=2.0.0").await), [""; 0]);
    assert_eq!(names(&list("version=latest").await).len(), 4);
    assert_eq!(
        names(&list("min_letter=D").await),
        ["example/both", "example/crm", "example/notes"]
    );
    let good = list("min_letter=B").await;
    assert!(!names(&good).contains(&"example/crm") && !names(&good).contains(&"example/both"));
    assert!(
        !names(&good).contains(&"example/unknown"),
        "no result is no good one"
    );
    assert_eq!(names(&list("class=static-key").await), [""; 0]);
    assert_eq!(names(&list("exclude_open=true").await).len(), 4);
    for query in [
        "min_letter=Q",
        "class=odd",
        "exclude_open=1",
        "limit=0",
        "updated_since=x",
        "cursor=x",
    ] {
        let got = web.get(&format!("/v0.1/servers?{query}")).await;
        assert_eq!(got.status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(got.header("content-type"), "application/json");
        let body = got.json();
        assert_eq!(
            body.as_object().map(serde_json::Map::len),
            Some(1),
            "{body}"
        );
        assert!(body["error"].is_string());
    }
}

#[tokio::test]
async fn pages_join_and_versions_are_found() {
    let web = listed().await;
    let mut seen = Vec::new();
    let mut path = "/v0.1/servers?limit=3&include_deleted=true".to_owned();
    loop {
        let page = web.get(&path).await.json();
        seen.extend(names(&page).into_iter().map(str::to_owned));
        let Some(next) = page["metadata"]["nextCursor"].as_str() else {
            break;
        };
        path = format!("/v0.1/servers?limit=3&include_deleted=true&cursor={next}");
    }
    assert_eq!(seen.len(), 5, "{seen:?}");
    let one = web
        .get("/v0.1/servers/example%2Fcrm/versions/latest")
        .await
        .json();
    assert_eq!(one["server"]["name"], "example/crm");
    assert_eq!(one["_meta"][OURS]["letter"], "D");
    let all = web.get("/v0.1/servers/example%2Fcrm/versions").await.json();
    assert_eq!(all["servers"], json!([one]));
    let none = web.get("/v0.1/servers/example%2Fcrm/versions/9").await;
    assert_eq!(
        (none.status, none.json()),
        (StatusCode::NOT_FOUND, json!({"error": "Server not found"}))
    );
}
