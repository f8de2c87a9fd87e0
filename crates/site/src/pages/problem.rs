//! Error pages: one sentence that helps, and the request id.

use askama::Template;
use axum::response::{IntoResponse, Response};
use scanner::time::Millis;

use super::{Chrome, Section, html};
use crate::AppState;
use crate::error::Problem;
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "problem.html")]
struct Page {
    chrome: Chrome,
    status: u16,
    title: &'static str,
    detail: String,
    rule: Option<String>,
    id: String,
}

/// The page of a problem.
pub(crate) fn page(
    app: &AppState,
    now: Millis,
    path: &str,
    query: Option<&str>,
    problem: &Problem,
    id: &str,
) -> Response {
    let visit = Visit::new(now, path, query);
    let mut chrome = Chrome::new(app, &visit, Section::None, problem.title, problem.title);
    chrome.twin = None;
    let page = Page {
        chrome,
        status: problem.status.as_u16(),
        title: problem.title,
        detail: problem.detail.clone(),
        rule: problem
            .members
            .get("rule")
            .and_then(|rule| rule.as_str())
            .map(str::to_owned),
        id: id.to_owned(),
    };
    match html(&page) {
        Ok(body) => (problem.status, body).into_response(),
        Err(_) => problem.status.into_response(),
    }
}
