//! Walks of a registry of our own on loopback: whole, for news, interrupted, shrunken.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use scanner::time::Millis;
use serde_json::{Value, json};
use store::Store;

use super::sync;
use crate::config::Settings;

/// What the registry holds, and what it was asked.
#[derive(Default)]
struct Inner {
    /// Name, time of its last change in milliseconds, and whether it is deleted.
    entries: Vec<(String, i64, bool)>,
    /// The page that is refused, by its cursor.
    refuses: Option<String>,
    queries: Vec<HashMap<String, String>>,
}

type Registry = Arc<Mutex<Inner>>;

fn locked(registry: &Registry) -> std::sync::MutexGuard<'_, Inner> {
    registry.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Two entries a page; a cursor is the place of the next one.
async fn servers(
    State(registry): State<Registry>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Json<Value>, StatusCode> {
    let mut registry = locked(&registry);
    registry.queries.push(query.clone());
    let cursor = query.get("cursor").cloned().unwrap_or_default();
    if registry.refuses.as_ref() == Some(&cursor) {
        return Err(StatusCode::FORBIDDEN);
    }
    let since = query
        .get("updated_since")
        .and_then(|text| Millis::parse_rfc3339(text));
    let from: usize = cursor.parse().unwrap_or(0);
    let matching: Vec<&(String, i64, bool)> = registry
        .entries
        .iter()
        .filter(|(_, changed, deleted)| match since {
            None => !deleted,
            Some(since) => *changed >= since.0,
        })
        .collect();
    let page: Vec<Value> = matching
        .iter()
        .skip(from)
        .take(2)
        .map(|(name, _, deleted)| {
            json!({
                "server": {"name": name, "version": "1.0.0", "remotes": [
                    {"type": "streamable-http", "url": format!("https://{name}.example.com/mcp")}
                ]},
                "_meta": {"io.modelcontextprotocol.registry/official": {
                    "status": if *deleted { "deleted" } else { "active" }, "isLatest": true
                }}
            })
        })
        .collect();
    let next = (from + 2 < matching.len()).then(|| (from + 2).to_string());
    Ok(Json(
        json!({"servers": page, "metadata": {"nextCursor": next}}),
    ))
}

/// A registry, a store and settings that read the one into the other.
struct Bench {
    registry: Registry,
    store: Store,
    settings: Settings,
    _folder: tempfile::TempDir,
}

impl Bench {
    async fn new(names: &[&str]) -> Self {
        let registry = Registry::default();
        for name in names {
            locked(&registry)
                .entries
                .push(((*name).to_owned(), 0, false));
        }
        let app = axum::Router::new()
            .route("/sub/v0.1/servers", get(servers))
            .with_state(Arc::clone(&registry));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move { axum::serve(listener, app).await });
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("authdex.toml");
        let text = format!(
            "[scan]\nallow_private = true\n[policy]\nprivate_interval_ms = 1\n[[source]]\n\
             name = \"reg\"\nkind = \"registry\"\nlocation = \"http://{address}/sub/\"\n\
             enabled = true\n"
        );
        std::fs::write(&file, text).expect("written");
        let store = Store::open("sqlite::memory:").await.expect("a store");
        store.migrate().await.expect("a schema");
        Self {
            registry,
            store,
            settings: Settings::load(Some(&file)).expect("settings"),
            _folder: folder,
        }
    }

    async fn sync(&self, full: bool) -> Result<crate::cli::import::Tally, String> {
        // Two walks never begin in one millisecond.
        tokio::time::sleep(std::time::Duration::from_millis(3)).await;
        sync(&self.store, &self.settings, full)
            .await
            .map_err(|error| format!("{error:#}"))
    }

    /// What was asked since the last look: cursor, and whether for news only.
    fn asked(&self) -> Vec<(String, bool)> {
        std::mem::take(&mut locked(&self.registry).queries)
            .into_iter()
            .map(|query| {
                let cursor = query.get("cursor").cloned().unwrap_or_default();
                (cursor, query.contains_key("updated_since"))
            })
            .collect()
    }

    async fn listed(&self, name: &str) -> Option<bool> {
        let url = format!("https://{name}.example.com/mcp");
        let row = self.store.server_by_url(&url).await.expect("a read");
        row.map(|row| row.listed)
    }
}

fn asks(list: &[(&str, bool)]) -> Vec<(String, bool)> {
    list.iter()
        .map(|(cursor, news)| ((*cursor).to_owned(), *news))
        .collect()
}

#[tokio::test]
async fn a_whole_walk_then_news_with_overlap_and_deletions() {
    let bench = Bench::new(&["a", "b", "c", "d", "e", "f"]).await;
    let tally = bench.sync(false).await.expect("walks");
    assert_eq!((tally.found, tally.stored.added), (6, 6));
    assert_eq!(
        bench.asked(),
        asks(&[("", false), ("2", false), ("4", false)])
    );

    let last = bench.store.cursor("registry:reg").await.expect("a read");
    let last = last
        .and_then(|text| Millis::parse_rfc3339(&text))
        .expect("a time");
    locked(&bench.registry).entries[1] = ("b".to_owned(), last.0, true);
    locked(&bench.registry)
        .entries
        .push(("g".to_owned(), last.0, false));
    let tally = bench.sync(false).await.expect("walks");
    assert_eq!((tally.found, tally.stored.added), (2, 1));
    let since = locked(&bench.registry).queries[0]["updated_since"].clone();
    let since = Millis::parse_rfc3339(&since).expect("a time");
    assert_eq!(last.since(since), 10 * 60_000);
    assert_eq!(bench.asked(), asks(&[("", true)]));
    assert_eq!(
        bench.listed("b").await,
        Some(false),
        "the registry says deleted"
    );
    assert_eq!(
        bench.listed("a").await,
        Some(true),
        "news say nothing of others"
    );
    assert_eq!(bench.listed("g").await, Some(true));

    // A whole walk finds out what went without a word: a, and b, of which news told.
    locked(&bench.registry).entries.remove(0);
    locked(&bench.registry)
        .entries
        .extend(["h", "i", "j", "k"].map(|name| (name.to_owned(), 0, false)));
    let tally = bench.sync(true).await.expect("walks");
    assert_eq!(tally.reading.gone, 2);
    assert_eq!(bench.listed("a").await, Some(false));
    assert_eq!(bench.listed("k").await, Some(true));
}

#[tokio::test]
async fn an_interrupted_walk_goes_on_where_it_stopped() {
    let bench = Bench::new(&["a", "b", "c", "d", "e", "f"]).await;
    locked(&bench.registry).refuses = Some("4".to_owned());
    let fault = bench.sync(false).await.expect_err("is refused");
    assert!(fault.contains("answered 403"), "{fault}");
    assert_eq!(bench.listed("d").await, Some(true), "what was read is kept");
    assert_eq!(
        bench.store.cursor("registry:reg").await.expect("a read"),
        None
    );
    bench.asked();
    locked(&bench.registry).refuses = None;
    bench.sync(false).await.expect("walks");
    assert_eq!(bench.asked(), asks(&[("4", false)]));
    assert_eq!(bench.listed("f").await, Some(true));
    assert_eq!(
        bench.listed("a").await,
        Some(true),
        "read before the interruption"
    );

    // A place that the registry no longer knows is given up, and the next walk begins anew.
    locked(&bench.registry).refuses = Some("2".to_owned());
    bench.sync(true).await.expect_err("is refused");
    bench.sync(true).await.expect_err("the place is of no use");
    locked(&bench.registry).refuses = None;
    bench.asked();
    bench.sync(true).await.expect("walks");
    assert_eq!(bench.asked().first(), Some(&(String::new(), false)));
}

#[tokio::test]
async fn a_walk_that_its_caps_end_is_not_whole() {
    let mut bench = Bench::new(&["a", "b", "c", "d", "e", "f"]).await;
    bench
        .settings
        .source
        .iter_mut()
        .for_each(|source| source.max_pages = 2);
    let tally = bench.sync(true).await.expect("walks");
    assert_eq!(tally.found, 4);
    assert_eq!(
        bench.store.cursor("registry:reg").await.expect("a read"),
        None
    );
    let tally = bench.sync(true).await.expect("walks");
    assert_eq!((tally.found, tally.reading.missing), (2, 0));
    assert_eq!(bench.asked().last(), Some(&("4".to_owned(), false)));
}

#[tokio::test]
async fn a_registry_that_loses_much_is_not_believed_at_once() {
    let bench = Bench::new(&["a", "b", "c", "d"]).await;
    bench.sync(true).await.expect("walks");
    locked(&bench.registry).entries.truncate(2);
    let tally = bench.sync(true).await.expect("walks");
    assert_eq!(
        (tally.reading.gone, bench.listed("d").await),
        (0, Some(true))
    );
    let tally = bench.sync(true).await.expect("walks");
    assert_eq!(
        (tally.reading.gone, bench.listed("d").await),
        (2, Some(false))
    );
    assert_eq!(bench.listed("a").await, Some(true));
}

/// What we pass on is read by our own walk of registries as the official one is, to the last
/// entry.
#[tokio::test]
async fn our_own_registry_is_read_to_its_end() {
    const MANY: usize = 25_000;
    let giving = Store::open("sqlite::memory:").await.expect("a store");
    giving.migrate().await.expect("a schema");
    let names: Vec<usize> = (0..MANY).collect();
    for part in names.chunks(5_000) {
        let page = json!({ "servers": part.iter().map(|n| json!({
            "server": {"name": format!("org.example/s{n:05}"), "version": "1.0.0", "remotes": [
                {"type": "streamable-http", "url": format!("https://s{n:05}.example.com/mcp")}
            ]},
            "_meta": {"io.modelcontextprotocol.registry/official": {
                "status": "active", "isLatest": true
            }}
        })).collect::<Vec<_>>() });
        let public = scanner::normalise::Admission {
            allow_private: false,
            allow_ephemeral: false,
        };
        let entries = crate::registry::entries(&page.to_string(), public);
        assert_eq!(entries.len(), part.len());
        giving
            .keep_entries("reg", &entries, Millis(0))
            .await
            .expect("kept");
    }
    let app = crate::router(crate::AppState {
        store: giving,
        clock: Arc::new(scanner::time::FixedClock::new(Millis(0))),
        settings: Arc::new(crate::SiteSettings {
            reads_per_minute: 1_000_000,
            ..crate::SiteSettings::default()
        }),
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, app).await });
    let mut bench = Bench::new(&[]).await;
    bench.settings.source[0].location = format!("http://{address}/");
    let tally = bench.sync(true).await.expect("walks");
    let many = u64::try_from(MANY).expect("it fits");
    assert_eq!((tally.found, tally.stored.added), (many, many));
    let totals = bench.store.totals(Millis(0)).await.expect("a read");
    assert_eq!(totals.servers, i64::try_from(MANY).expect("it fits"));
    let last = store::EntryAsk {
        name: Some("org.example/s24999".into()),
        limit: 2,
        ..store::EntryAsk::default()
    };
    let last = bench.store.entries(&last).await.expect("a read");
    assert_eq!(last.len(), 1, "and kept to be passed on again");
}
