//! The feeds: what their readers demand of them, and that they say what the change feed says.

use axum::http::StatusCode;
use serde_json::Value;

use crate::sample;
use crate::web::{self, Web, settings};

const ATOM: &str = "http://www.w3.org/2005/Atom";

async fn filled() -> Web {
    let (store, now) = web::filled().await;
    Web::new(store, now.plus(sample::DAY), settings())
}

/// Ids and titles of an Atom document that holds what RFC 4287 demands.
fn entries(xml: &str) -> Vec<(String, String)> {
    let document = roxmltree::Document::parse(xml).expect("well formed");
    let root = document.root_element();
    assert_eq!(root.tag_name().namespace(), Some(ATOM));
    let text = |node: roxmltree::Node<'_, '_>, name: &str| -> String {
        let found: Vec<_> = node
            .children()
            .filter(|n| n.has_tag_name((ATOM, name)))
            .collect();
        assert_eq!(found.len(), 1, "one {name}");
        found[0].text().unwrap_or_default().to_owned()
    };
    for name in ["id", "title", "updated"] {
        assert!(!text(root, name).is_empty(), "the feed's {name}");
    }
    let author = root.children().find(|n| n.has_tag_name((ATOM, "author")));
    assert!(!text(author.expect("an author"), "name").is_empty());
    root.children()
        .filter(|node| node.has_tag_name((ATOM, "entry")))
        .map(|entry| {
            let updated = text(entry, "updated");
            assert!(updated.ends_with('Z'), "{updated}");
            (text(entry, "id"), text(entry, "title"))
        })
        .collect()
}

#[tokio::test]
async fn both_forms_say_what_the_change_feed_says() {
    let web = filled().await;
    let atom = web.get("/feeds/changes.atom").await;
    assert_eq!(atom.status, StatusCode::OK);
    assert!(
        atom.header("content-type")
            .starts_with("application/atom+xml")
    );
    let atom = entries(&atom.text());
    let json = web.get("/feeds/changes.json").await;
    assert_eq!(json.header("content-type"), "application/feed+json");
    let json = json.json();
    assert_eq!(json["version"], "https://jsonfeed.org/version/1.1");
    let items = json["items"].as_array().expect("a list");
    assert_eq!(items.len(), atom.len());
    let newest = web.get("/api/v1/changes?order=newest").await.json();
    let changes = newest["data"].as_array().expect("a list");
    assert!(changes.len() > 3);
    for (change, (item, (id, title))) in changes.iter().zip(items.iter().zip(&atom)) {
        assert_eq!(item["id"].as_str(), Some(id.as_str()));
        assert_eq!(item["title"].as_str(), Some(title.as_str()));
        let scan = change["scan"].as_str().expect("a scan");
        assert_eq!(id, &format!("urn:authdex:change:{scan}:{}", change["seq"]));
        if let Some(diff) = change["diff"].as_str() {
            assert_eq!(item["url"], diff);
        }
    }
}

#[tokio::test]
async fn a_feed_is_narrowed_like_the_page_and_exists_for_one_server() {
    let web = filled().await;
    let all = web.get("/feeds/changes.json").await.json();
    let kind = "/feeds/changes.json?kind=regressed";
    let some = web.get(kind).await.json();
    let (all, some) = (len(&all), len(&some));
    assert!(some > 0 && some < all, "{some} of {all}");

    let list = web.get("/api/v1/servers?q=crm").await.json();
    let id = list["data"][0]["id"].as_str().expect("an id").to_owned();
    let own = web.get(&format!("/servers/{id}/feed.json")).await.json();
    let of_server = web
        .get(&format!("/api/v1/changes?server={id}&limit=500"))
        .await;
    assert_eq!(
        len(&own),
        of_server.json()["data"].as_array().map_or(0, Vec::len)
    );
    let atom = web.get(&format!("/servers/{id}/feed.atom")).await;
    assert_eq!(entries(&atom.text()).len(), len(&own));
    assert!(
        web.page(&format!("/servers/{id}"))
            .await
            .contains("/feed.atom")
    );
}

fn len(feed: &Value) -> usize {
    feed["items"].as_array().expect("a list").len()
}

#[tokio::test]
async fn what_is_no_feed_is_not_found_and_an_empty_one_is_a_feed() {
    let web = Web::new(sample::empty().await, sample::START, settings());
    for path in [
        "/feeds/changes",
        "/feeds/changes.rss",
        "/feeds/other.atom",
        "/servers/srv_00000000000000000000000000/feed.atom",
        "/servers/x/feed.json",
    ] {
        assert_eq!(web.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert!(entries(&web.get("/feeds/changes.atom").await.text()).is_empty());
}
