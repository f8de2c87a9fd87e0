//! What sources say of a server, beside what was seen: page and API.

use scanner::target::{Listing, Target};
use serde_json::json;
use store::NewListing;

use crate::sample;
use crate::web::{self, Web, settings};

/// The site with a second source that says something else of one server, and something hostile.
async fn contradicted() -> (Web, String) {
    let (store, now) = web::filled().await;
    let web = Web::new(store, now.plus(sample::DAY), settings());
    let list = web.get("/api/v1/servers?q=crm").await.json();
    let id = list["data"][0]["id"].as_str().expect("an id").to_owned();
    let url = list["data"][0]["url"].as_str().expect("a URL").to_owned();
    let listing = NewListing {
        target: Target {
            url,
            listing: Some(Listing {
                name: Some("<script>alert(1)</script>\u{202e}".into()),
                version: Some("3.0.0".into()),
                transport: Some("sse".into()),
                auth: Some("none".into()),
                declared_headers: vec!["Authorization".into()],
                secret_headers: vec!["Authorization".into()],
                ..Listing::default()
            }),
        },
        seen: now,
    };
    web.store
        .add_listings("awesome", &[listing], now.plus(sample::DAY / 2))
        .await
        .expect("a second source");
    (web, id)
}

#[tokio::test]
async fn the_api_gives_every_statement_with_its_truth() {
    let (web, id) = contradicted().await;
    let got = web
        .get(&format!("/api/v1/servers/{id}/listings"))
        .await
        .json();
    assert_eq!(got["server"], id);
    let data = got["data"].as_array().expect("a list");
    assert_eq!(data.len(), 2);
    let awesome = &data[0];
    assert_eq!(awesome["source"], "awesome");
    assert_eq!(awesome["version"], "3.0.0");
    assert_eq!(awesome["latest"], true);
    assert_eq!(awesome["gone"], json!(null));
    assert_eq!(awesome["first_seen"], awesome["last_seen"]);
    let standing = |subject: &str| {
        let compared = awesome["truth"]["compared"].as_array().expect("a list");
        let one = compared.iter().find(|one| one["subject"] == subject);
        one.map(|one| one["standing"].as_str().expect("a word").to_owned())
    };
    assert_eq!(standing("auth").as_deref(), Some("differs"));
    assert_eq!(standing("headers").as_deref(), Some("differs"));
    assert_eq!(standing("url"), None);
    let patch = awesome["truth"]["patch"].as_array().expect("a list");
    assert!(patch.contains(&json!({"op": "remove", "path": "/headers/0"})));
    let registry = &data[1];
    assert_eq!(registry["source"], "registry");
    assert_eq!(registry["truth"]["patch"], json!([]));

    let unknown = web.get("/api/v1/servers/srv_nobody/listings").await;
    assert_eq!(unknown.status, 404);
}

#[tokio::test]
async fn the_page_shows_sources_and_corrections_harmlessly() {
    let (web, id) = contradicted().await;
    let page = web.page(&format!("/servers/{id}")).await;
    let at = page.find("id=\"listings\"").expect("the section");
    let section = &page[at..];
    assert!(section.contains("What sources say"));
    assert!(
        section.contains("authorization: listed none, seen oauth"),
        "{section}"
    );
    assert!(section.contains("Correction of the entry in"));
    assert!(section.contains("registry"));
    assert!(!page.contains("<script>alert"));
    assert!(!page.contains('\u{202e}'));
}
