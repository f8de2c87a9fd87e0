//! The changes as Atom (RFC 4287) and JSON Feed 1.1, for readers that people already have. An
//! entry's id is made of the scan and the position in the feed, so it stays when an address of
//! ours moves. Names and addresses are strangers' text: entries are plain text, never markup.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use store::ChangeRow;

use crate::AppState;
use crate::api::v1::changes::ChangesQuery;
use crate::api::v1::servers::find;
use crate::error::AppError;
use crate::view::{Shown, words};
use crate::visit::Visit;

/// Entries of a feed.
const ENTRIES: usize = 50;
/// Changes that a filtered feed is taken from.
const LOOKED_AT: u32 = 1_000;

#[derive(Template)]
#[template(path = "feed.xml", escape = "html")]
struct Atom {
    id: String,
    title: Shown,
    own: String,
    page: String,
    author: Shown,
    updated: String,
    entries: Vec<Entry>,
}

/// One change as both forms tell it.
struct Entry {
    id: String,
    title: Shown,
    at: String,
    url: String,
    text: Shown,
    tags: Vec<String>,
}

/// What a feed is about.
struct Subject {
    /// Part of the feed's id.
    key: String,
    title: Shown,
    /// The page it stands beside.
    page: String,
    /// Where it is served, without the ending.
    place: String,
}

/// `GET /feeds/{file}`: all changes, or those that the filter of `/changes` keeps.
pub(crate) async fn changes(
    State(app): State<AppState>,
    visit: Visit,
    Path(file): Path<String>,
    Query(query): Query<ChangesQuery>,
) -> Result<Response, AppError> {
    let form = Form::of(file.strip_prefix("changes."))?;
    let rows = app.store.latest_changes(LOOKED_AT).await?;
    let rows: Vec<ChangeRow> = rows.into_iter().filter(|row| query.wants(row)).collect();
    let asked = visit.plain_query();
    let suffix = if asked.is_empty() {
        String::new()
    } else {
        format!("?{asked}")
    };
    let subject = Subject {
        key: format!("changes{suffix}"),
        title: Shown::new(&format!("{}: changes", app.settings.name)),
        page: format!("/changes{suffix}"),
        place: format!("/feeds/changes.{}{suffix}", form.ending()),
    };
    answer(&app, &visit, form, &subject, &rows)
}

/// `GET /servers/{id}/{file}`: what changed at one server, among the newest changes of all.
pub(crate) async fn server(
    State(app): State<AppState>,
    visit: Visit,
    Path((id, file)): Path<(String, String)>,
) -> Result<Response, AppError> {
    let form = Form::of(file.strip_prefix("feed."))?;
    let row = find(&app, &id).await?;
    let rows = app.store.changes_of(&id, 50).await?;
    let name = row.name.as_deref().unwrap_or(&row.host);
    let subject = Subject {
        key: id.clone(),
        title: Shown::bounded(&format!("{}: {name}", app.settings.name), 120),
        page: format!("/servers/{id}"),
        place: format!("/servers/{id}/feed.{}", form.ending()),
    };
    answer(&app, &visit, form, &subject, &rows)
}

#[derive(Clone, Copy)]
enum Form {
    Atom,
    Json,
}

impl Form {
    fn of(ending: Option<&str>) -> Result<Self, AppError> {
        match ending {
            Some("atom") => Ok(Self::Atom),
            Some("json") => Ok(Self::Json),
            _ => Err(AppError::not_found(
                "Feeds end in .atom or .json, for example /feeds/changes.atom.",
            )),
        }
    }

    fn ending(self) -> &'static str {
        match self {
            Self::Atom => "atom",
            Self::Json => "json",
        }
    }
}

fn answer(
    app: &AppState,
    visit: &Visit,
    form: Form,
    subject: &Subject,
    rows: &[ChangeRow],
) -> Result<Response, AppError> {
    // An empty feed is as old as the minute it is asked in.
    let updated = rows.first().map_or(visit.now, |row| row.at).rfc3339();
    let entries: Vec<Entry> = rows
        .iter()
        .take(ENTRIES)
        .map(|row| entry(app, row))
        .collect();
    let at = |path: &str| app.settings.absolute(path);
    match form {
        Form::Atom => {
            let feed = Atom {
                id: format!("urn:authdex:feed:{}", subject.key),
                title: subject.title.clone(),
                own: at(&subject.place),
                page: at(&subject.page),
                author: Shown::new(&app.settings.name),
                updated,
                entries,
            };
            let media = [(header::CONTENT_TYPE, "application/atom+xml; charset=utf-8")];
            Ok((media, feed.render()?).into_response())
        }
        Form::Json => {
            let feed = json!({
                "version": "https://jsonfeed.org/version/1.1",
                "title": subject.title.as_str(),
                "home_page_url": at(&subject.page),
                "feed_url": at(&subject.place),
                "authors": [{ "name": app.settings.name }],
                "language": "en",
                "items": entries.iter().map(item).collect::<Vec<_>>(),
            });
            let media = [(header::CONTENT_TYPE, "application/feed+json")];
            Ok((media, serde_json::to_string(&feed)?).into_response())
        }
    }
}

fn item(entry: &Entry) -> Value {
    json!({
        "id": entry.id,
        "url": entry.url,
        "title": entry.title.as_str(),
        "content_text": entry.text.as_str(),
        "date_published": entry.at,
        "tags": entry.tags,
    })
}

fn entry(app: &AppState, row: &ChangeRow) -> Entry {
    let name = Shown::bounded(row.server_name.as_deref().unwrap_or(&row.url), 80);
    let mark = |text: &Option<String>| text.clone().unwrap_or_else(|| "no grade".into());
    let title = match &row.from {
        Some(_) => format!(
            "{name}: {} → {} ({})",
            mark(&row.from),
            mark(&row.to),
            row.kind
        ),
        None => format!("{name}: {} ({})", mark(&row.to), row.kind),
    };
    let mut text = match row.cause.as_str() {
        "first" => "First scan".to_owned(),
        cause => words::cause(cause),
    };
    text.push_str(". ");
    if !row.checks.is_empty() {
        text.push_str(&format!("Other verdicts: {}. ", row.checks.join(", ")));
    }
    text.push_str(Shown::bounded(&row.url, 400).as_str());
    let path = match &row.previous_scan {
        Some(before) => format!("/compare/{before}...{}", row.scan),
        None => format!("/scans/{}", row.scan),
    };
    Entry {
        id: format!("urn:authdex:change:{}:{}", row.scan, row.seq),
        title: Shown::bounded(&title, 200),
        at: row.at.rfc3339(),
        url: app.settings.absolute(&path),
        text: Shown::bounded(&text, 8_000),
        tags: vec![row.kind.clone(), row.cause.clone()],
    }
}
