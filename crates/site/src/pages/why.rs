//! `/why/{id}`: "yes, we sent this", for whoever found the id in a log.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;

use super::{Chrome, Section, html};
use crate::AppState;
use crate::api::v1::why::{account, unknown};
use crate::error::AppError;
use crate::view::{Shown, Stamp};
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "why.html")]
struct Why {
    chrome: Chrome,
    id: String,
    at: Stamp,
    host: Shown,
    server: Option<String>,
    reason: Shown,
    agent: Shown,
    from: Option<String>,
    requests: Vec<(String, Shown, String)>,
    contact: Option<String>,
}

pub(crate) async fn page(
    State(app): State<AppState>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, AppError> {
    let account = account(&app, &id).await?.ok_or_else(unknown)?;
    html(&Why {
        chrome: Chrome::new(
            &app,
            &visit,
            Section::None,
            "Why we asked",
            "What was sent in one scan, and why.",
        ),
        at: Stamp::parse(&account.at, visit.now),
        host: Shown::bounded(&account.host, 120),
        server: account.server,
        reason: Shown::bounded(&account.reason, 300),
        agent: Shown::bounded(&account.user_agent, 300),
        from: account.from,
        requests: account
            .requests
            .into_iter()
            .map(|one| {
                let purpose = one.purpose.replace(['_', '-'], " ");
                (one.method, Shown::bounded(&one.url, 300), purpose)
            })
            .collect(),
        contact: app.settings.contact.clone(),
        id,
    })
}
