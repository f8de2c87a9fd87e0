//! `/`: what it is, one box, the index in four numbers, and what changed last.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use store::ChangeRow;

use super::{Chrome, Section, html};
use crate::AppState;
use crate::error::AppError;
use crate::view::chart::{Bar, bars};
use crate::view::grade::Mark;
use crate::view::{self, Shown, Stamp, time, words};
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    chrome: Chrome,
    empty: bool,
    config_hint: bool,
    servers: String,
    graded: String,
    graded_count: String,
    age: String,
    changes: String,
    queue: Option<String>,
    bars: Vec<Bar>,
    regressed: Vec<FeedItem>,
    improved: Vec<FeedItem>,
    limit: u32,
}

/// An entry of a feed as lists show it.
#[derive(Debug, Clone)]
pub(crate) struct FeedItem {
    pub(crate) at: Stamp,
    pub(crate) server: String,
    pub(crate) name: Shown,
    pub(crate) from: Option<Mark>,
    pub(crate) to: Mark,
    pub(crate) cause: String,
    pub(crate) checks: Vec<String>,
    pub(crate) more: usize,
    pub(crate) href: String,
    pub(crate) kind: String,
}

impl FeedItem {
    pub(crate) fn new(row: &ChangeRow, now: scanner::time::Millis) -> Self {
        const SHOWN: usize = 4;
        Self {
            at: Stamp::new(row.at, now),
            server: row.server.clone(),
            name: Shown::bounded(row.server_name.as_deref().unwrap_or(&row.url), 80),
            from: row.from.as_deref().map(Mark::named),
            to: row.to.as_deref().map_or_else(Mark::waiting, Mark::named),
            cause: match row.cause.as_str() {
                "first" => "First scan".to_owned(),
                cause => words::cause(cause),
            },
            checks: row.checks.iter().take(SHOWN).cloned().collect(),
            more: row.checks.len().saturating_sub(SHOWN),
            href: match &row.previous_scan {
                Some(before) => format!("/compare/{before}...{}", row.scan),
                None => format!("/scans/{}", row.scan),
            },
            kind: row.kind.clone(),
        }
    }
}

pub(crate) async fn page(State(app): State<AppState>, visit: Visit) -> Result<Response, AppError> {
    let totals = app.store.totals(visit.now).await?;
    let facets = app.store.facets().await?;
    let latest = app.store.latest_changes(200).await?;
    let of = |kinds: [&str; 2]| {
        latest
            .iter()
            .filter(|row| kinds.contains(&row.kind.as_str()))
            .take(5)
            .map(|row| FeedItem::new(row, visit.now))
            .collect()
    };
    html(&Home {
        chrome: Chrome::new(
            &app,
            &visit,
            Section::None,
            "The authorization index of MCP servers",
            "How MCP servers do authorization, observed from outside, graded against the published rules, with the evidence.",
        ),
        empty: totals.servers == 0,
        config_hint: !app.settings.public,
        servers: view::count(totals.servers),
        graded: view::share(totals.graded, totals.servers),
        graded_count: view::count(totals.graded),
        age: totals.median_age_ms.map_or_else(|| "—".into(), age),
        changes: view::count(totals.changes_7d),
        queue: (totals.queue > 0).then(|| view::counted(totals.queue, "server")),
        bars: bars(&facets.letters),
        regressed: of(["regressed", "unreachable"]),
        improved: of(["improved", "recovered"]),
        limit: app.settings.requests_per_scan_endpoint,
    })
}

/// The store counts ages by the hour, so no smaller unit is claimed.
fn age(ms: i64) -> String {
    if ms < 2 * 3_600_000 {
        return "under 2 hours".into();
    }
    time::span(ms)
}
