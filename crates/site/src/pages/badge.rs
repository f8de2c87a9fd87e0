//! `/badges/{id}.svg`: a word and a letter for a readme. Asking for one never starts anything.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::AppState;
use crate::api::v1::servers::{find, stale};
use crate::error::AppError;
use crate::view::grade::Mark;
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "badge.svg", escape = "html")]
struct Badge {
    spoken: String,
    text: String,
    colour: &'static str,
    width: usize,
    middle: usize,
    value_width: usize,
}

/// Width of the part that says what it is about.
const LABEL: usize = 68;

pub(crate) async fn file(
    State(app): State<AppState>,
    visit: Visit,
    Path(file): Path<String>,
) -> Result<Response, AppError> {
    let missing = || AppError::not_found("A badge is /badges/ID.svg or /badges/ID.json.");
    let (id, format) = file.rsplit_once('.').ok_or_else(missing)?;
    let row = find(&app, id).await?;
    let mark = super::servers::mark(&row);
    let old = stale(&app, row.checked_at, visit.now);
    let text = match (old, mark.key) {
        (true, _) => format!("{} old", mark.text),
        (false, "none") => "pending".to_owned(),
        (false, _) if mark.badge => mark.word.to_owned(),
        (false, _) => mark.text.clone(),
    };
    let colour = if old { "#5f6872" } else { colour(&mark) };
    match format {
        "svg" => {
            let value_width = 14 + text.chars().count() * 7;
            let badge = Badge {
                spoken: format!("MCP auth: {}", if old { "old result" } else { mark.word }),
                colour,
                width: LABEL + value_width,
                middle: LABEL + value_width / 2,
                value_width,
                text,
            };
            let media = [(header::CONTENT_TYPE, "image/svg+xml")];
            Ok((media, badge.render()?).into_response())
        }
        "json" => crate::api::v1::json(&json!({
            "schemaVersion": 1,
            "label": "MCP auth",
            "message": text,
            "color": colour.trim_start_matches('#'),
        })),
        _ => Err(missing()),
    }
}

/// Fill of the badge: those of the light style sheet, white text reads on all of them.
fn colour(mark: &Mark) -> &'static str {
    match mark.key {
        "ap" | "a" => "#0a7350",
        "b" => "#4a7512",
        "c" => "#8f6200",
        "d" => "#b14d0b",
        "e" => "#b92b2b",
        "f" => "#7d1440",
        _ => "#5f6872",
    }
}
