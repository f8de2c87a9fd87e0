//! Version 1 of the API, under `/api/v1`.

pub mod about;
pub mod changes;
pub mod checks;
pub mod diffs;
pub(crate) mod exports;
pub mod figures;
pub mod identity;
pub(crate) mod listings;
pub(crate) mod meter;
pub mod query;
pub mod radar;
pub(crate) mod rubrics;
pub mod scans;
pub mod servers;
pub mod stats;
pub mod what_if;
pub(crate) mod why;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use scanner::time::Millis;
use serde::Serialize;

use crate::error::AppError;

/// Version of the form of answers.
pub const SCHEMA_VERSION: &str = "1";

/// The form of every list.
#[derive(Debug, Serialize)]
pub struct List<T> {
    /// [`SCHEMA_VERSION`].
    pub schema_version: &'static str,
    /// When it was answered, RFC 3339.
    pub generated_at: String,
    /// Cursor of the next page, or `null` at the end.
    pub next: Option<String>,
    /// About how many there are in all, if that was asked for; the inner `None` is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<Option<i64>>,
    /// The entries.
    pub data: Vec<T>,
}

impl<T: Serialize> List<T> {
    /// A part of a list.
    #[must_use]
    pub fn new(now: Millis, next: Option<String>, data: Vec<T>) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            generated_at: now.rfc3339(),
            next,
            count: None,
            data,
        }
    }
}

/// JSON with its media type.
pub(crate) fn json(value: &impl Serialize) -> Result<Response, AppError> {
    let media = [(header::CONTENT_TYPE, "application/json")];
    Ok((media, serde_json::to_vec(value)?).into_response())
}

/// A line of JSON for each.
pub(crate) fn lines(all: &[impl Serialize]) -> Result<Response, AppError> {
    let mut out = String::new();
    for one in all {
        out.push_str(&serde_json::to_string(one)?);
        out.push('\n');
    }
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], out).into_response())
}

/// JSON of a list with the `Link` to its next page. `path` is the list's own, `query` what was
/// asked without the cursor.
pub(crate) fn list<T: Serialize>(
    list: &List<T>,
    base: &str,
    query: &str,
) -> Result<Response, AppError> {
    let mut response = json(list)?;
    if let Some(next) = &list.next {
        link_next(&mut response, base, query, next);
    }
    Ok(response)
}

/// Adds the `Link` to the next page.
pub(crate) fn link_next(response: &mut Response, base: &str, query: &str, next: &str) {
    let mut pairs: Vec<String> = query
        .split('&')
        .filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="))
        .map(str::to_owned)
        .collect();
    pairs.push(format!("cursor={}", escape(next)));
    let link = format!("<{base}?{}>; rel=\"next\"", pairs.join("&"));
    if let Ok(value) = HeaderValue::from_str(&link) {
        response.headers_mut().insert(header::LINK, value);
    }
}

/// A value in a query string.
pub(crate) fn escape(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// The limit of a list: 1 to 500, 100 without a wish.
pub(crate) fn limit(asked: Option<&str>) -> Result<u32, AppError> {
    match asked.filter(|text| !text.is_empty()) {
        None => Ok(100),
        Some(text) => match text.parse::<u32>() {
            Ok(limit @ 1..=500) => Ok(limit),
            _ => Err(AppError::validation(
                "/limit",
                "limit is a number from 1 to 500.",
            )),
        },
    }
}
