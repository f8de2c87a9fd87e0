//! The feed of changes.

use axum::extract::{Query, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use store::ChangeRow;

use super::{List, limit};
use crate::AppState;
use crate::api::csv;
use crate::error::AppError;
use crate::visit::Visit;

/// Parameters of the feed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ChangesQuery {
    since: String,
    cursor: String,
    limit: String,
    /// `newest` gives the newest entries instead of those after `since`.
    order: String,
    pub(crate) kind: String,
    pub(crate) cause: String,
    pub(crate) check: String,
    server: String,
    /// `json`, `csv` or `ndjson`.
    format: String,
}

impl ChangesQuery {
    /// Whether an entry is asked for.
    pub(crate) fn wants(&self, row: &ChangeRow) -> bool {
        let fits = |wanted: &str, is: &str| wanted.is_empty() || wanted == is;
        fits(&self.kind, &row.kind)
            && fits(&self.cause, &row.cause)
            && fits(&self.server, &row.server)
            && (self.check.is_empty() || row.checks.contains(&self.check))
    }
}

/// An entry of the feed.
#[derive(Debug, Serialize)]
pub struct Change {
    seq: i64,
    at: String,
    kind: String,
    server: String,
    name: Option<String>,
    url: Option<String>,
    from: Option<String>,
    to: Option<String>,
    cause: String,
    checks: Vec<String>,
    scan: Option<String>,
    previous_scan: Option<String>,
    diff: Option<String>,
}

/// A tombstone has neither address nor scan.
fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

impl Change {
    fn new(app: &AppState, row: ChangeRow) -> Self {
        Self {
            diff: row.previous_scan.as_ref().map(|before| {
                app.settings
                    .absolute(&format!("/compare/{before}...{}", row.scan))
            }),
            seq: row.seq,
            at: row.at.rfc3339(),
            kind: row.kind,
            server: row.server,
            name: row.server_name,
            url: some(row.url),
            from: row.from,
            to: row.to,
            cause: row.cause,
            checks: row.checks,
            scan: some(row.scan),
            previous_scan: row.previous_scan,
        }
    }
}

/// `GET /changes`
pub(crate) async fn all(
    State(app): State<AppState>,
    visit: Visit,
    Query(query): Query<ChangesQuery>,
) -> Result<Response, AppError> {
    let limit = limit(Some(&query.limit))?;
    let newest = match query.order.as_str() {
        "" => false,
        "newest" => true,
        _ => return Err(AppError::validation("/order", "order is newest.")),
    };
    let seq = |text: &str| text.parse().ok().filter(|seq: &i64| *seq >= 0);
    let since = match query.since.as_str() {
        "" => 0,
        since => seq(since).ok_or_else(|| {
            AppError::validation("/since", "since is the seq of the last entry you have.")
        })?,
    };
    // Both are read, so that a wrong one is told whatever else is asked for.
    let since = match query.cursor.as_str() {
        "" => since,
        cursor => seq(cursor).ok_or(store::StoreError::Cursor)?,
    };
    let rows = if newest {
        app.store.latest_changes(limit).await?
    } else {
        app.store.changes(since, limit).await?
    };
    let full = rows.len() >= limit as usize;
    let next = rows
        .last()
        .filter(|_| full && !newest)
        .map(|row| row.seq.to_string());
    let data: Vec<Change> = rows
        .into_iter()
        .filter(|row| query.wants(row))
        .map(|row| Change::new(&app, row))
        .collect();
    let base = app.settings.absolute("/api/v1/changes");
    let asked = visit.query.as_deref().unwrap_or_default();
    let mut response = match query.format.as_str() {
        "" | "json" => return super::list(&List::new(visit.now, next, data), &base, asked),
        "csv" => table(&data),
        "ndjson" => super::lines(&data)?,
        _ => {
            return Err(AppError::validation(
                "/format",
                "format is one of json, csv, ndjson.",
            ));
        }
    };
    if let Some(next) = &next {
        super::link_next(&mut response, &base, asked, next);
    }
    Ok(response)
}

fn table(changes: &[Change]) -> Response {
    let mut out = csv::line([
        "seq",
        "at",
        "kind",
        "server",
        "name",
        "url",
        "from",
        "to",
        "cause",
        "checks",
        "scan",
        "previous_scan",
    ]);
    for change in changes {
        let text = |text: &'_ Option<String>| text.clone().unwrap_or_default();
        out.push_str(&csv::line([
            change.seq.to_string().as_str(),
            &change.at,
            &change.kind,
            &change.server,
            &text(&change.name),
            change.url.as_deref().unwrap_or_default(),
            &text(&change.from),
            &text(&change.to),
            &change.cause,
            &change.checks.join(" "),
            change.scan.as_deref().unwrap_or_default(),
            &text(&change.previous_scan),
        ]));
    }
    super::figures::file_of("changes", out)
}
