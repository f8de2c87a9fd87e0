//! `/changes`: what changed, by day.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;

use super::home::FeedItem;
use super::{Chrome, Section, html};
use crate::AppState;
use crate::api::v1::changes::ChangesQuery;
use crate::error::AppError;
use crate::view::text::typed;
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "changes.html")]
struct Changes {
    chrome: Chrome,
    kinds: Vec<Choice>,
    causes: Vec<Choice>,
    check: String,
    days: Vec<Day>,
    filtered: bool,
}

struct Choice {
    value: &'static str,
    text: &'static str,
    chosen: bool,
}

struct Day {
    day: String,
    items: Vec<FeedItem>,
}

const KINDS: [(&str, &str); 8] = [
    ("", "any"),
    ("regressed", "regressed"),
    ("improved", "improved"),
    ("changed", "other verdicts"),
    ("class", "another class"),
    ("unreachable", "unreachable"),
    ("recovered", "recovered"),
    ("added", "first scans"),
];

const CAUSES: [(&str, &str); 6] = [
    ("", "any"),
    ("server", "server"),
    ("authorization_server", "authorization server"),
    ("listing", "listing"),
    ("network", "network"),
    ("scanner", "our questions"),
];

pub(crate) async fn page(
    State(app): State<AppState>,
    visit: Visit,
    Query(query): Query<ChangesQuery>,
) -> Result<Response, AppError> {
    let filtered = !(query.kind.is_empty() && query.cause.is_empty() && query.check.is_empty());
    let rows = app
        .store
        .latest_changes(if filtered { 500 } else { 100 })
        .await?;
    let mut days: Vec<Day> = Vec::new();
    for row in rows.iter().filter(|row| query.wants(row)).take(100) {
        let item = FeedItem::new(row, visit.now);
        match days.last_mut() {
            Some(day) if day.day == item.at.day => day.items.push(item),
            _ => days.push(Day {
                day: item.at.day.clone(),
                items: vec![item],
            }),
        }
    }
    let choices = |all: &[(&'static str, &'static str)], chosen: &str| {
        all.iter()
            .map(|(value, text)| Choice {
                value,
                text,
                chosen: *value == chosen,
            })
            .collect()
    };
    html(&Changes {
        chrome: Chrome::new(
            &app,
            &visit,
            Section::Changes,
            "Changes",
            "What changed at the watched servers, by day.",
        ),
        kinds: choices(&KINDS, &query.kind),
        causes: choices(&CAUSES, &query.cause),
        check: typed(&query.check),
        days,
        filtered,
    })
}
