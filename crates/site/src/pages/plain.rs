//! Small files for machines: health, robots.txt and security.txt.

use axum::extract::{Path, State};
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

/// `/docs/problems/{kind}`: what a problem type of the API means.
pub(crate) async fn problem(Path(kind): Path<String>) -> Result<Response, AppError> {
    let known = PROBLEMS.iter().find(|(known, _)| *known == kind);
    let (kind, text) =
        known.ok_or_else(|| AppError::not_found("There is no problem type of this name."))?;
    Ok((TEXT, format!("{kind}\n\n{text}\n")).into_response())
}

/// Problem types and what they mean.
pub(crate) const PROBLEMS: [(&str, &str); 21] = [
    (
        "validation",
        "A parameter or the body is not as expected; errors[] names the place.",
    ),
    (
        "not-found",
        "There is nothing of that name, or it is not shown.",
    ),
    (
        "unknown-server",
        "No server with this id or address; submit is where it can be added.",
    ),
    (
        "target-not-allowed",
        "The address is not one that is scanned; rule names the reason.",
    ),
    (
        "conflict",
        "It contradicts what was said before; detail says what.",
    ),
    (
        "cooldown",
        "The server was scanned a moment ago; retry_at and scan say when and which.",
    ),
    (
        "quota-exceeded",
        "One client has asked for more than it may; Retry-After says how long to wait.",
    ),
    (
        "invalid-cursor",
        "The cursor is not one that this list gave out.",
    ),
    (
        "no-such-report",
        "There is no report of this scan under this rubric.",
    ),
    (
        "not-fixable",
        "A check named in fix is unknown, or neither warns nor fails in this scan.",
    ),
    (
        "different-servers",
        "A difference needs two scans of one server.",
    ),
    (
        "user-agent-required",
        "Requests to the API name their program in User-Agent.",
    ),
    (
        "method-not-allowed",
        "The address does not take this method; Allow lists those it takes.",
    ),
    ("too-large", "The request is longer than the address takes."),
    (
        "forbidden",
        "It is not given out, or not from there; detail says why.",
    ),
    ("overloaded", "The answer took too long; try again later."),
    (
        "not-ready",
        "The program is starting, or its database does not answer.",
    ),
    (
        "internal",
        "A failure on our side, recorded under the request id.",
    ),
    ("scanner-paused", "Scans are stopped for the moment."),
    (
        "depth-not-allowed",
        "A scan of this depth needs a proof of ownership.",
    ),
    ("ownership-required", "This needs a proof of ownership."),
];

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
