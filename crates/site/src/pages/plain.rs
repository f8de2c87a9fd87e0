//! Small files for machines: health, robots.txt and security.txt.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use scanner::time::Millis;

use crate::AppState;
use crate::error::{AppError, Problem};
use crate::visit::Visit;

const TEXT: [(header::HeaderName, &str); 1] = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];

/// The process answers.
pub(crate) async fn health() -> Response {
    (TEXT, "ok\n").into_response()
}

/// The store answers and its schema is of this version.
pub(crate) async fn ready(State(app): State<AppState>) -> Result<Response, AppError> {
    let unready = |detail: &str| {
        AppError::from(
            Problem::new(
                "not-ready",
                StatusCode::SERVICE_UNAVAILABLE,
                "Not ready",
                detail,
            )
            .retry_after(5),
        )
    };
    match app.store.migrations_pending().await {
        Ok(pending) if pending.is_empty() => Ok((TEXT, "ready\n").into_response()),
        Ok(_) => Err(unready(
            "The database is not migrated yet; run authdex migrate.",
        )),
        Err(error) => {
            tracing::error!(%error, "the store does not answer");
            Err(unready("The database does not answer."))
        }
    }
}

/// Crawlers may read everything but the endless: searches and comparisons.
pub(crate) async fn robots() -> Response {
    let text = "User-agent: *\nDisallow: /api/\nDisallow: /compare/\nDisallow: /lookup\nDisallow: /servers?\n";
    (TEXT, text).into_response()
}

/// RFC 9116, when there is somebody to write to.
pub(crate) async fn security(
    State(app): State<AppState>,
    visit: Visit,
) -> Result<Response, AppError> {
    let contact = app
        .settings
        .contact
        .clone()
        .ok_or_else(|| AppError::not_found("No contact is configured."))?;
    // A fixed distance from the minute of the answer: the file is never past its end.
    let expires = Millis(visit.now.0).plus(180 * 86_400_000);
    let mut text = format!(
        "Contact: {contact}\nExpires: {}\nPreferred-Languages: en\n",
        expires.rfc3339()
    );
    if app.settings.public_url.is_some() {
        let own = app.settings.absolute("/.well-known/security.txt");
        let policy = app.settings.absolute("/policy");
        text.push_str(&format!("Canonical: {own}\nPolicy: {policy}\n"));
    }
    Ok((TEXT, text).into_response())
}
