//! `/servers/{id}/history`: one row per change, with what changed and a step line of scores.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;

use super::server::{RunView, run, run_views};
use super::{Chrome, Section, html};
use crate::AppState;
use crate::api::v1::query::ListQuery;
use crate::api::v1::servers::find;
use crate::cursor;
use crate::error::AppError;
use crate::view::chart::StepLine;
use crate::view::{Shown, grade::Mark};
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "history.html")]
struct History {
    chrome: Chrome,
    id: String,
    name: Shown,
    mark: Mark,
    runs: Vec<RunView>,
    spark: Option<StepLine>,
    next: Option<String>,
    first: bool,
}

pub(crate) async fn page(
    State(app): State<AppState>,
    visit: Visit,
    Path(id): Path<String>,
    Query(query): Query<ListQuery>,
) -> Result<Response, AppError> {
    let row = find(&app, &id).await?;
    let list = format!("history:{id}");
    let page = query.page(&app, &list, 100).await?;
    let mut paged = app.store.history(&id, &page).await?;
    paged.next = cursor::give(&app, &list, paged.next).await?;
    let name = Shown::bounded(row.name.as_deref().unwrap_or(&row.host), 80);
    let line: Vec<_> = paged.rows.iter().rev().map(run).collect();
    html(&History {
        chrome: Chrome::new(
            &app,
            &visit,
            Section::Servers,
            format!("History of {name}"),
            "Every change that was seen, with its cause.",
        ),
        id,
        name,
        mark: super::servers::mark(&row),
        runs: run_views(&paged.rows, visit.now, usize::MAX),
        spark: StepLine::new(&line, visit.now, (1080, 180)),
        next: paged
            .next
            .map(|next| format!("?cursor={}", crate::api::v1::escape(&next))),
        first: query.cursor.is_empty(),
    })
}
